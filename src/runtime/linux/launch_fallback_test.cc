// SPDX-License-Identifier: Apache-2.0
// The same containers on a kernel without the newer calls: a filter answers ENOSYS for them.
#include <cstddef>
#include <fcntl.h>
#include <signal.h>

#include <gmock/gmock.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "os/path_open.h"
#include "runtime/linux/launch_fixture.h"
#include "runtime/linux/overlay.h"

namespace servin::runtime {
namespace {

bool take_away(const std::vector<long>& calls) {
  std::vector<sock_filter> code = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)}};
  for (long call : calls) {
    code.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<std::uint32_t>(call)});
    code.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | 38});
  }
  code.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW});
  sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

class OldKernel : public LaunchTest {
 protected:
  // In a child of ours, since a filter stays for ever.
  template <typename F>
  void without(const std::vector<long>& calls, F&& body) {
    pid_t child = ::fork();
    if (child == 0) {
      int code = 1;
      try {
        code = take_away(calls) ? (body(), testing::Test::HasFailure() ? 2 : 0) : 3;
      } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
      }
      clean_up_all();
      ::_exit(code);
    }
    EXPECT_EQ(wait_child(child).code, 0);
  }
};

TEST_F(OldKernel, RunAndExec) {
  for (const std::vector<long>& calls : std::vector<std::vector<long>>{
           {SYS_openat2},
           {SYS_clone3},
           {SYS_close_range},
           {SYS_pidfd_open, SYS_pidfd_send_signal},
           {SYS_openat2, SYS_clone3, SYS_close_range, SYS_pidfd_open, SYS_pidfd_send_signal}}) {
    without(calls, [&] {
      Launched c = start(shell("ls /proc/$$/fd; echo up; sleep 1000"));
      std::string out;
      char buffer[64];
      while (out.find("up\n") == std::string::npos) {
        ssize_t n = ::read(c.stdio.out.get(), buffer, sizeof buffer);
        ASSERT_GT(n, 0);
        out.append(buffer, static_cast<std::size_t>(n));
      }
      EXPECT_EQ(out, "0\n1\n2\nup\n");
      auto r = exec_in(
          c, {{"sh", "-c", "hostname; ls /proc/$$/fd; grep -c sleep /proc/1/cmdline"}, {}, "web", "", false, false});
      EXPECT_EQ(r.out, "box\n0\n1\n2\n1\n") << r.err;
      EXPECT_THROW(exec_in(c, {{"nonsense"}, {}, "", "", false, false}), Error);
      ::kill(c.process.pid, SIGKILL);
      EXPECT_EQ(finish(std::move(c)).code, 137);
      EXPECT_EQ(refusal(request({"nonsense"})).id(), "E-COMMAND-NOT-FOUND");
    });
  }
}

TEST_F(OldKernel, OverlayByOneString) {
  auto q = shell("cat /layer0 /layer9 /layer59 2>/dev/null");
  for (int i = 0; i < 60; ++i) {
    std::string layer = dir_ + "/a:b,c\\d" + std::to_string(i);
    make_dirs(layer, 0755);
    write_file(layer + "/layer" + std::to_string(i), std::to_string(i), 0644);
    q.rootfs.lowers.insert(q.rootfs.lowers.begin(), layer);
    if (i != 9 && i != 59) continue;
    for (bool old : {false, true}) {
      detail::use_old_overlay_form(old);
      EXPECT_EQ(run(q).out, i == 9 ? "09" : "0959") << old;
      detail::use_old_overlay_form(false);
    }
  }
}

}  // namespace
}  // namespace servin::runtime
