// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/id.h"
#include "os/file.h"
#include "os/process.h"
#include "state/database.h"
#include "state/schema.h"

namespace servin::state {
namespace {

class StateTest : public ::testing::Test {
 protected:
  StateTest() {
    std::string root = ::testing::TempDir() + "servin-state-" + hex(random_bytes(6));
    paths_.root = root;
    paths_.run = root + "/run";
    paths_.tag = "00000000";
  }
  ~StateTest() override { remove_tree(paths_.root); }

  static ContainerRow row(const std::string& name, bool durable = false) {
    ContainerRow r;
    r.id = new_id();
    r.name = name;
    r.image_id = "sha256:" + std::string(64, 'a');
    r.config_json = "{}";
    r.created = now();
    r.durable = durable;
    return r;
  }
  // As after a reboot: what the old boot wrote is still there.
  void pretend_other_boot() {
    Connection run(paths_.run_db(), false);
    run.exec("UPDATE meta SET value='another' WHERE key='boot_id'");
  }
  std::string error_id(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& e) {
      message_ = e.message();
      hint_ = e.hint();
      return e.id();
    }
    return "";
  }
  Paths paths_;
  std::string message_, hint_;
};

TEST_F(StateTest, LooksMakeNoFiles) {
  Database db(paths_);
  EXPECT_TRUE(db.images().empty());
  EXPECT_TRUE(db.containers().empty());
  EXPECT_FALSE(db.container_by_name("x"));
  EXPECT_FALSE(db.volume("x"));
  EXPECT_FALSE(db.remove_volume("x"));
  EXPECT_FALSE(path_exists(paths_.root));
}

TEST_F(StateTest, FilesAreForTheOwnerOnly) {
  Database db(paths_);
  db.add_container(row("a", true));
  struct stat st{};
  ASSERT_EQ(::stat(paths_.root.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0700U);
  for (const auto& file : {paths_.db(), paths_.run_db()}) {
    ASSERT_EQ(::stat(file.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600U) << file;
  }
}

TEST_F(StateTest, ImagesAndReferences) {
  Database db(paths_);
  ImageRow image;
  image.id = "sha256:" + std::string(64, 'b');
  image.manifest_digest = "sha256:" + std::string(64, 'c');
  image.manifest_json = R"({"x":1})";
  image.config_json = std::string("{\"y\":\"\0\"}", 9);
  image.chain_ids = "aa bb";
  image.size = 12;
  db.put_image(image, {"docker.io/library/x:latest", "docker.io/library/x:1"});
  ASSERT_TRUE(db.image(image.id));
  EXPECT_EQ(db.image(image.id)->config_json, image.config_json);
  EXPECT_EQ(db.images_by_prefix("bbb").size(), 1U);
  EXPECT_TRUE(db.images_by_prefix("bc").empty());
  EXPECT_EQ(db.reference("docker.io/library/x:1"), image.id);
  EXPECT_EQ(db.references_of(image.id).size(), 2U);
  EXPECT_TRUE(db.remove_reference("docker.io/library/x:1"));
  EXPECT_FALSE(db.remove_reference("docker.io/library/x:1"));
  ContainerRow user = row("user");
  user.image_id = image.id;
  db.add_container(user);
  EXPECT_FALSE(db.remove_image(image.id));
  EXPECT_TRUE(db.has_image(image.id));
  db.remove_container(user.id);
  EXPECT_TRUE(db.remove_image(image.id));
  EXPECT_FALSE(db.has_image(image.id));
  EXPECT_TRUE(db.references().empty());
  EXPECT_FALSE(db.set_reference("docker.io/library/x:late", image.id)) << "a name without an image";
  EXPECT_TRUE(db.references().empty());
}

TEST_F(StateTest, NamesAreClaimedOnce) {
  Database db(paths_);
  ContainerRow first = row("web");
  db.add_container(first);
  EXPECT_EQ(error_id([&] { db.add_container(row("web")); }), "E-NAME-TAKEN");
  EXPECT_NE(message_.find(short_id(first.id)), std::string::npos);
  ContainerRow other = row("db");
  db.add_container(other);
  EXPECT_EQ(error_id([&] { db.rename_container(other.id, "web"); }), "E-NAME-TAKEN");
  db.rename_container(other.id, "db2");
  EXPECT_EQ(db.container_by_name("db2")->id, other.id);
  db.remove_container(first.id);
  db.rename_container(other.id, "web");
  EXPECT_EQ(db.container_names(), std::vector<std::string>{"web"});
}

TEST_F(StateTest, ANameThatTheDiskDoesNotTakeIsNotGiven) {
  Database db(paths_);
  ContainerRow kept = row("kept", true);
  db.add_container(kept);
  Connection(paths_.db(), true)
      .exec(
          "CREATE TRIGGER full BEFORE UPDATE OF name ON containers "
          "BEGIN SELECT RAISE(ABORT, 'full'); END");
  EXPECT_THROW(db.rename_container(kept.id, "other"), Error);
  EXPECT_EQ(db.container_names(), std::vector<std::string>{"kept"});
}

TEST_F(StateTest, ProcessesRaceForOneName) {
  Pipe go = make_pipe();
  std::vector<pid_t> children;
  for (int i = 0; i < 16; ++i) {
    pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      go.write.reset();
      char c = 0;
      [[maybe_unused]] auto n = ::read(go.read.get(), &c, 1);
      try {
        Database db(paths_);
        db.add_container(row("one"));
        ::_exit(0);
      } catch (const Error& e) {
        ::_exit(e.id() == "E-NAME-TAKEN" ? 1 : 2);
      }
    }
    children.push_back(pid);
  }
  go.write.reset();
  int won = 0;
  for (pid_t pid : children) {
    int code = wait_child(pid).code;
    EXPECT_LT(code, 2);
    won += code == 0 ? 1 : 0;
  }
  EXPECT_EQ(won, 1);
}

TEST_F(StateTest, ARebootKeepsDurableContainersOnly) {
  ContainerRow keep = row("keep", true);
  {
    Database db(paths_);
    db.add_container(keep);
    db.add_container(row("gone"));
    db.set_last_state(keep.id, "exited 3");
    make_dirs(paths_.run_container(keep.id));
  }
  pretend_other_boot();
  Database db(paths_);
  EXPECT_EQ(db.container_names(), std::vector<std::string>{"keep"});
  EXPECT_EQ(db.container(keep.id)->last_state, "exited 3");
  EXPECT_TRUE(db.container(keep.id)->durable);
  EXPECT_FALSE(path_exists(paths_.run_container(keep.id)));
}

TEST_F(StateTest, ATornRunDatabaseOfAnotherBootIsMadeAgain) {
  {
    Database db(paths_);
    db.add_container(row("keep", true));
  }
  write_file(paths_.run_db(), std::string(8192, 'x'));
  EXPECT_EQ(error_id([&] { Database(paths_).container_names(); }), "E-STATE-DAMAGED") << "of this boot";
  timespec long_ago[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, paths_.run_db().c_str(), long_ago, 0), 0);
  EXPECT_EQ(Database(paths_).container_names(), std::vector<std::string>{"keep"});
}

TEST_F(StateTest, AWipedRunFolderIsMadeAgain) {
  ContainerRow keep = row("keep", true);
  {
    Database db(paths_);
    db.add_container(keep);
  }
  remove_tree(paths_.run);
  EXPECT_EQ(Database(paths_).container_names(), std::vector<std::string>{"keep"});
}

TEST_F(StateTest, PersistMakesDurable) {
  ContainerRow late = row("late");
  {
    Database db(paths_);
    db.add_container(late);
    db.persist_container(late.id);
    db.persist_container(new_id());  // of one that is gone: nothing
  }
  pretend_other_boot();
  Database db(paths_);
  ASSERT_EQ(db.container_names(), std::vector<std::string>{"late"});
  db.remove_container(late.id);
  pretend_other_boot();
  EXPECT_TRUE(Database(paths_).container_names().empty());
}

TEST_F(StateTest, ARemovedContainerIsForgottenLater) {
  auto on_disk = [&] {
    Connection disk(paths_.db(), true);
    Statement count(disk, "SELECT count(*) FROM containers");
    return count.step() ? count.integer(0) : -1;
  };
  ContainerRow one = row("one", true);
  ContainerRow two = row("two", true);
  Database db(paths_);
  db.add_container(one);
  db.add_container(two);
  EXPECT_FALSE(db.has_removed());
  db.remove_container(one.id);
  EXPECT_EQ(db.container_names(), std::vector<std::string>{"two"});
  EXPECT_EQ(on_disk(), 2) << "the disk is not waited for";
  EXPECT_TRUE(db.has_removed());
  pretend_other_boot();
  EXPECT_EQ(Database(paths_).container_names(), std::vector<std::string>{"two"});
  Database again(paths_);
  write_file(paths_.removed() + "/" + two.id, "");  // as of a removal that was killed before its record was gone
  again.forget_removed();
  EXPECT_EQ(on_disk(), 1);
  EXPECT_FALSE(again.has_removed());
  EXPECT_EQ(again.container_names(), std::vector<std::string>{"two"});
}

TEST_F(StateTest, APowerCutAfterARemovalGivesTheNameToTheNewest) {
  ContainerRow old = row("web", true);
  old.created.ns = 1;
  ContainerRow present = row("web", true);
  {
    Database db(paths_);
    db.add_container(old);
    db.remove_container(old.id);
    db.add_container(present);
  }
  remove_tree(paths_.run);
  EXPECT_EQ(Database(paths_).container_by_name("web")->id, present.id);
}

// persist_container() was killed between its two databases.
TEST_F(StateTest, ARemovalKnowsOfAHalfWrittenRecord) {
  ContainerRow late = row("late");
  Database db(paths_);
  db.add_container(late);
  db.persist_container(late.id);
  Connection(paths_.run_db(), false).exec("UPDATE containers SET durable=0");
  db.remove_container(late.id);
  db.forget_removed();
  remove_tree(paths_.run);
  EXPECT_TRUE(Database(paths_).container_names().empty());
}

TEST_F(StateTest, ANameThatIsThereTwiceDoesNotHideAContainer) {
  ContainerRow a = row("same", true);
  ContainerRow b = row("other", true);
  {
    Database db(paths_);
    db.add_container(a);
    db.add_container(b);
    Connection disk(paths_.db(), true);
    disk.exec("UPDATE containers SET name='same'");
  }
  pretend_other_boot();
  EXPECT_EQ(Database(paths_).containers().size(), 2U);
}

TEST_F(StateTest, ANewerSchemaIsRefusedWithoutWriting) {
  {
    Database db(paths_);
    db.add_container(row("a", true));
  }
  {
    Connection disk(paths_.db(), true);
    disk.exec("PRAGMA user_version=999");
  }
  auto before = list_dir(paths_.root);
  auto bytes = read_file(paths_.db());
  Database db(paths_);
  EXPECT_EQ(error_id([&] { db.images(); }), "E-STATE-NEWER");
  EXPECT_EQ(error_id([&] { db.add_volume({}); }), "E-STATE-NEWER");
  EXPECT_EQ(list_dir(paths_.root), before);
  EXPECT_EQ(read_file(paths_.db()), bytes);
}

TEST_F(StateTest, DamageIsNamedWithItsCure) {
  {
    Database db(paths_);
    for (int i = 0; i < 60; ++i) db.add_volume({"v" + std::to_string(i), "local", "{}", "{}", false, now(), false});
  }
  std::string good = *read_file(paths_.db());
  auto check = [&](const std::string& content) {
    write_file(paths_.db(), content);
    Database db(paths_);
    EXPECT_EQ(error_id([&] { db.volumes(), db.images(), db.references(); }), "E-STATE-DAMAGED");
    EXPECT_NE(message_.find(paths_.db()), std::string::npos);
    EXPECT_NE(hint_.find("mv "), std::string::npos);
    EXPECT_EQ(read_file(paths_.db()), content) << "a damaged file stays as it is";
  };
  check("");
  check("garbage");
  check(std::string(good.size(), 'x'));
  check(good.substr(0, 50));
  check(good.substr(0, 4096 * 2));
  std::string torn = good;
  for (std::size_t at = 4096; at < torn.size(); ++at) torn[at] = 'z';
  check(torn);
}

TEST_F(StateTest, AKillAtAnyMomentLeavesWholeRecords) {
  {
    Database(paths_).add_volume({"first", "local", "{}", "{}", false, now(), false});
  }
  for (int round = 0; round < 8; ++round) {
    Pipe ready = make_pipe();
    pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      Database db(paths_);
      for (int i = 0;; ++i) {
        ContainerRow r = row("r" + std::to_string(round) + "-" + std::to_string(i), true);
        db.add_container(r);
        if (i == round) write_all(ready.write, "x", "pipe");
        if (i % 3 == 0) db.remove_container(r.id);
      }
    }
    ready.write.reset();
    char c = 0;
    ASSERT_EQ(read_some(ready.read, &c, 1, "pipe"), 1U);
    ::kill(pid, SIGKILL);
    EXPECT_EQ(wait_child(pid).signal, SIGKILL);
    Database db(paths_);
    for (const auto& r : db.containers()) EXPECT_EQ(r.config_json, "{}");
    Connection disk(paths_.db(), true);
    Statement check(disk, "PRAGMA integrity_check");
    ASSERT_TRUE(check.step());
    EXPECT_EQ(check.text(0), "ok");
  }
}

TEST_F(StateTest, TheReserveIsGivenOnceAndTakenAgain) {
  {
    Database(paths_).add_container(row("a", true));
  }
  EXPECT_TRUE(give_reserve(paths_.db()));
  EXPECT_FALSE(give_reserve(paths_.db()));
  take_reserve(paths_.db());
  EXPECT_TRUE(give_reserve(paths_.db()));
}

}  // namespace
}  // namespace servin::state
