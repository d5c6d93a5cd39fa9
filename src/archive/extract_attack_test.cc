// SPDX-License-Identifier: Apache-2.0
// Archives that try to leave the folder they are unpacked into, or to exhaust the machine. Each is unpacked beside a
// canary tree. It may be refused or not (the table says where that matters), but nothing outside may change: no name,
// byte, mode, owner, time.
#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "archive/extract.h"
#include "archive/testing/attacks.h"
#include "archive/testing/tar_builder.h"
#include "archive/testing/tree.h"
#include "base/error.h"
#include "os/file.h"

namespace servin::archive {
namespace {

using testing::Expect;
using testing::TarBuilder;
using testing::TempFolder;
using testing::TreeText;

// BASE/canary is the tree to harm, BASE/layer where the attack is unpacked.
class Arena {
 public:
  Arena() {
    canary_ = base() + "/canary";
    make_dirs(canary_ + "/dir/sub", 0755);
    write_file(canary_ + "/file", "canary", 0640);
    write_file(canary_ + "/dir/file", "canary in a folder", 0600);
    if (::symlink("file", (canary_ + "/link").c_str()) != 0) throw_errno("prepare");
    before_ = outside();
  }
  const std::string& base() const { return folder_.path(); }
  const std::string& canary() const { return canary_; }
  std::string layer() const { return base() + "/layer"; }

  /// Empty when the archive was accepted, else the error's id and text.
  std::string unpack(std::string_view tar, const ExtractLimits& limits = {}) {
    remove_tree(layer());
    make_dirs(layer(), 0755);
    Fd folder = open_file(layer(), O_PATH | O_DIRECTORY);
    ExtractOptions options;
    options.limits = limits;
    options.owners = ::geteuid() == 0;
    try {
      MemorySource source(tar);
      extract_layer(source, folder, options);
      return "";
    } catch (const Error& e) {
      EXPECT_NE(e.code(), ErrorCode::internal) << e.what();
      return e.id() + ": " + e.what();
    }
  }
  void expect_untouched(const std::string& attack) {
    std::string after = outside();
    EXPECT_EQ(before_, after) << "attack " << attack;
    before_ = after;  // one finding per attack
  }

 private:
  std::string outside() {
    std::string out = TreeText::of(canary_);
    for (const auto& name : list_dir(base())) {
      if (name != "layer") out += name + "\n";
    }
    struct stat st{};
    if (::stat(base().c_str(), &st) != 0) throw_errno("stat");
    return out + fmt::format("{:o} {}:{}\n", st.st_mode, st.st_uid, st.st_gid);
  }

  TempFolder folder_;
  std::string canary_;
  std::string before_;
};

TEST(ExtractAttack, NothingOutsideChanges) {
  Arena arena;
  auto attacks = testing::all_attacks({arena.base(), arena.canary()});
  EXPECT_GE(attacks.size(), 120U);
  for (const auto& attack : attacks) {
    std::string error = arena.unpack(attack.tar);
    arena.expect_untouched(attack.name);
    if (attack.expect != Expect::either) {
      EXPECT_EQ(!error.empty(), attack.expect == Expect::refused) << attack.name << ": " << error;
    }
  }
}

// The oracle itself: a tar program that follows links is caught by it.
TEST(ExtractAttack, TheCanaryNoticesDamage) {
  Arena arena;
  std::string tar = TarBuilder().file(arena.canary() + "/attack").end();
  write_file(arena.base() + "/layer.tar", tar);
  std::string before = TreeText::of(arena.canary());
  ASSERT_EQ(::system(("tar -P -xf " + arena.base() + "/layer.tar").c_str()), 0);
  EXPECT_NE(before, TreeText::of(arena.canary()));
}

}  // namespace
}  // namespace servin::archive
