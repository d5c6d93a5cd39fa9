// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/init_record.h"

#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include <linux/filter.h>
#include <sys/syscall.h>

#include "base/error.h"

extern "C" const char servin_init_blob_start[];
extern "C" const char servin_init_blob_end[];

namespace servin::runtime {
namespace {

constexpr std::string_view default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Grows the record and answers with offsets from its start.
class Builder {
 public:
  Builder() : bytes_(sizeof(init::Header), '\0') {}

  std::uint32_t string(std::string_view text) {
    auto at = static_cast<std::uint32_t>(bytes_.size());
    bytes_.append(text.data(), text.size());
    bytes_ += '\0';
    return at;
  }
  std::uint32_t block(const void* data, std::size_t size) {
    align();
    auto at = static_cast<std::uint32_t>(bytes_.size());
    bytes_.append(static_cast<const char*>(data), size);
    return at;
  }
  std::uint32_t strings(const std::vector<std::string>& list) {
    std::vector<std::uint64_t> table;
    table.reserve(list.size() + 1);
    for (const auto& s : list) table.push_back(string(s));
    table.push_back(0);
    return block(table.data(), table.size() * sizeof table[0]);
  }
  std::string finish(init::Header header) {
    align();
    if (bytes_.size() > (1U << 30U))
      throw Error(ErrorCode::resource_exhausted, "arguments and environment are too large");
    header.magic = init::record_magic;
    header.size = static_cast<std::uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &header, sizeof header);
    return std::move(bytes_);
  }

 private:
  void align() { bytes_.resize((bytes_.size() + 7) & ~std::size_t{7}); }
  std::string bytes_;
};

std::string_view variable(const std::vector<std::string>& env, std::string_view name) {
  // The last one counts, as for the programs that read it... of a list that the engine keeps free of doubles.
  for (auto e = env.rbegin(); e != env.rend(); ++e)
    if (e->starts_with(name)) return std::string_view(*e).substr(name.size());
  return {};
}

bool has_variable(const std::vector<std::string>& env, std::string_view name) {
  for (const auto& e : env)
    if (e.starts_with(name)) return true;
  return false;
}

std::vector<init::Rlimit> limits_of(const std::vector<RlimitPlan>& plans) {
  std::vector<init::Rlimit> out;
  for (const auto& p : plans) out.push_back({p.resource, 0, p.soft, p.hard});
  return out;
}

}  // namespace

std::string InitRecord::bytes() const {
  Builder b;
  init::Header h = header;
  auto limits = limits_of(rlimits);
  h.gids = b.block(gids.data(), gids.size() * sizeof(std::uint32_t));
  h.gid_count = static_cast<std::uint32_t>(gids.size());
  h.rlimits = b.block(limits.data(), limits.size() * sizeof(init::Rlimit));
  h.rlimit_count = static_cast<std::uint32_t>(limits.size());
  h.seccomp = b.block(seccomp.data(), seccomp.size());
  h.seccomp_count = static_cast<std::uint32_t>(seccomp.size() / sizeof(sock_filter));
  h.args = b.strings(args);
  h.arg_count = static_cast<std::uint32_t>(args.size());
  h.env = b.strings(env);
  h.env_count = static_cast<std::uint32_t>(env.size());
  h.cwd = b.string(cwd);
  h.path = b.string(has_variable(env, "PATH=") ? variable(env, "PATH=") : default_path);
  return b.finish(h);
}

InitRecord process_record(const LaunchPlan& plan, const User& user, std::vector<std::string> args,
                          std::vector<std::string> env, const std::string& cwd) {
  InitRecord r;
  if (!has_variable(env, "HOME=")) env.push_back("HOME=" + user.home);
  r.header.no_new_privs = plan.no_new_privs ? 1 : 0;
  r.header.uid = user.uid;
  r.header.gid = user.gid;
  r.header.umask = plan.umask;
  r.header.caps = plan.caps;
  r.gids = user.gids;
  r.rlimits = plan.rlimits;
  r.seccomp = plan.seccomp;
  r.args = std::move(args);
  r.env = std::move(env);
  r.cwd = cwd;
  return r;
}

Fd init_program() {
  std::string_view program(servin_init_blob_start,
                           static_cast<std::size_t>(servin_init_blob_end - servin_init_blob_start));
  return make_memfd("servin-init", program, true);
}

void execute_init(int program, const int* fds, int count) {
  // First out of the way of the numbers that are filled, then into place. dup2 clears close-on-exec.
  constexpr int max_fds = 32, clear_of = 40;
  int moved[max_fds];
  if (count > max_fds) {
    errno = E2BIG;
    return;
  }
  program = ::fcntl(program, F_DUPFD_CLOEXEC, clear_of);
  if (program < 0) return;
  for (int i = 0; i < count; ++i) {
    moved[i] = ::fcntl(fds[i], F_DUPFD_CLOEXEC, clear_of);
    if (moved[i] < 0) return;
  }
  for (int i = 0; i < count; ++i)
    if (::dup2(moved[i], i) < 0) return;
  char name[] = "servin-init";
  char* args[] = {name, nullptr};
  char* env[] = {nullptr};
  ::syscall(SYS_execveat, program, "", args, env, AT_EMPTY_PATH);
}

}  // namespace servin::runtime
