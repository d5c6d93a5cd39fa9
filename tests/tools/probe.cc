// SPDX-License-Identifier: Apache-2.0
// probe: what an attacker, or only a difficult program, does inside a container. Static, so that it runs in any image.
// Each verb prints plain lines; the tests judge them.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unistd.h>
#include <vector>

#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

namespace {

constexpr long cgroup1_magic = 0x27e0eb;
constexpr long cgroup2_magic = 0x63677270;

std::vector<std::string> list(const std::string& folder) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(folder.c_str()), ::closedir);
  while (const dirent* entry = dir ? ::readdir(dir.get()) : nullptr)
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  return names;
}

bool is_number(const std::string& text) { return text.find_first_not_of("0123456789") == std::string::npos; }

std::string link_of(const std::string& path) {
  char target[4096];
  const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
  return length < 0 ? std::string() : std::string(target, static_cast<std::size_t>(length));
}

bool exists(const char* path) { return ::access(path, F_OK) == 0; }

/// Device numbers of all file systems that the container is meant to see.
std::set<dev_t> own_devices() {
  std::set<dev_t> devices;
  if (std::FILE* file = std::fopen("/proc/self/mountinfo", "re")) {
    char line[8192];
    unsigned int major_number = 0;
    unsigned int minor_number = 0;
    while (std::fgets(line, sizeof line, file))
      if (std::sscanf(line, "%*d %*d %u:%u", &major_number, &minor_number) == 2)
        devices.insert(makedev(major_number, minor_number));
    std::fclose(file);
  }
  return devices;
}

// --- fds: the descriptors that this program was started with

int fds() {
  for (const std::string& name : list("/proc/self/fd")) {
    const std::string target = link_of("/proc/self/fd/" + name);
    if (!target.empty() && !(target.starts_with("/proc/") && target.ends_with("/fd")))
      std::printf("%s %s\n", name.c_str(), target.c_str());
  }
  return 0;
}

// --- exe-writer: CVE-2019-5736. Keeps a path descriptor of every program that appears and is not the container's own,
// and tries to open it for writing once it is no longer being executed. Writes nothing: an open that succeeds on a file
// that is not sealed is the finding.

class ExeWriter {
 public:
  void look() {
    for (const std::string& pid : list("/proc"))
      if (is_number(pid) && std::to_string(::getpid()) != pid) keep("/proc/" + pid + "/exe");
    for (auto& [key, fd] : kept_) attack(fd);
  }
  void report() const { std::printf("programs=%zu escapes=%d\n", programs_.size(), escapes_); }

 private:
  void keep(const std::string& path) {
    const int fd = ::open(path.c_str(), O_PATH | O_CLOEXEC);
    struct stat status{};
    if (fd < 0) return;
    const bool known = ::fstat(fd, &status) == 0;
    const auto key = std::make_pair(status.st_dev, status.st_ino);
    if (known) programs_.insert(key);
    const bool foreign = known && !devices_.contains(status.st_dev) && kept_.size() < 512;
    if (!foreign || !kept_.emplace(key, fd).second) ::close(fd);
  }
  void attack(int fd) {
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    const int writable = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (writable < 0) return;
    struct stat status{};
    ::fstat(writable, &status);
    const int seals = ::fcntl(writable, F_GET_SEALS);
    const bool sealed = seals >= 0 && (seals & F_SEAL_WRITE) != 0;
    if (!sealed && !devices_.contains(status.st_dev)) {
      ++escapes_;
      std::printf("escape %s\n", link_of(path).c_str());
      std::fflush(stdout);
    }
    ::close(writable);
  }
  std::set<dev_t> devices_ = own_devices();
  std::set<std::pair<dev_t, ino_t>> programs_;
  std::map<std::pair<dev_t, ino_t>, int> kept_;
  int escapes_ = 0;
};

// --- fd-scan: CVE-2016-9962. With CAP_SYS_PTRACE, looks at the descriptors of every process that appears.

class FdScanner {
 public:
  void look() {
    for (const std::string& pid : list("/proc")) {
      if (!is_number(pid) || std::to_string(::getpid()) == pid) continue;
      const std::string folder = "/proc/" + pid + "/fd/";
      for (const std::string& fd : list(folder)) judge(folder + fd);
      pids_.insert(pid);
    }
  }
  void report() const { std::printf("processes=%zu descriptors=%lu foreign=%d\n", pids_.size(), looked_, foreign_); }

 private:
  void judge(const std::string& path) {
    const std::string target = link_of(path);
    if (target.empty()) return;
    ++looked_;
    if (target[0] != '/' && target[0] != '(') return;  // pipe:, socket:, anon_inode:
    if (target.starts_with("/memfd:")) return;         // sealed, see exe-writer
    struct stat status{};
    struct statfs system{};
    if (::stat(path.c_str(), &status) != 0 || ::statfs(path.c_str(), &system) != 0) return;
    const bool cgroup = system.f_type == cgroup1_magic || system.f_type == cgroup2_magic;
    if (!cgroup && (devices_.contains(status.st_dev) || S_ISCHR(status.st_mode))) return;
    ++foreign_;
    if (seen_.insert(target).second) std::printf("foreign %s -> %s\n", path.c_str(), target.c_str());
    std::fflush(stdout);
  }
  std::set<dev_t> devices_ = own_devices();
  std::set<std::string> pids_, seen_;
  unsigned long looked_ = 0;
  int foreign_ = 0;
};

template <class Watcher>
int watch(const char* stop) {
  Watcher watcher;
  std::puts("ready");
  std::fflush(stdout);
  while (!exists(stop)) watcher.look();
  watcher.report();
  return 0;
}

// --- attacks: what must fail in a default container. Prints "NAME ERRNO", or "NAME SUCCESS".

void say(const std::string& name, bool succeeded) {
  std::printf("%s %s\n", name.c_str(), succeeded ? "SUCCESS" : ::strerrorname_np(errno));
}

bool write_file(const std::string& path, const char* text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const ssize_t written = ::write(fd, text, std::strlen(text));
  const int error = errno;
  ::close(fd);
  errno = error;
  return written > 0;
}

void mount_cgroups(const std::string& prefix) {
  for (const char* controller : {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "net_cls",
                                 "perf_event", "rdma", "misc", "none,name=systemd"}) {
    say(prefix + "mount-cgroup-" + controller, ::mount("x", "/tmp", "cgroup", 0, controller) == 0);
  }
  say(prefix + "mount-cgroup2", ::mount("x", "/tmp", "cgroup2", 0, nullptr) == 0);
}

void write_control_files() {
  std::vector<std::string> groups{"/sys/fs/cgroup"};
  for (const std::string& name : list("/sys/fs/cgroup")) groups.push_back("/sys/fs/cgroup/" + name);
  for (const std::string& group : groups) {
    for (const char* file : {"release_agent", "notify_on_release", "devices.allow", "cgroup.procs", "tasks",
                             "memory.limit_in_bytes", "memory.max", "cgroup.subtree_control"}) {
      const std::string path = group + "/" + file;
      if (exists(path.c_str())) say("write-" + path, write_file(path, "1"));
    }
    say("remount-" + group, ::mount(nullptr, group.c_str(), nullptr, MS_REMOUNT | MS_BIND, nullptr) == 0);
    say("mkdir-" + group, ::mkdir((group + "/attack").c_str(), 0755) == 0);
  }
}

int attacks() {
  write_control_files();
  mount_cgroups("");
  say("mount-proc", ::mount("x", "/tmp", "proc", 0, nullptr) == 0);
  say("mount-sysfs", ::mount("x", "/tmp", "sysfs", 0, nullptr) == 0);
  say("mount-tmpfs", ::mount("x", "/tmp", "tmpfs", 0, nullptr) == 0);
  say("remount-proc-sys", ::mount(nullptr, "/proc/sys", nullptr, MS_REMOUNT | MS_BIND, nullptr) == 0);
  say("umount-proc-kcore", ::umount2("/proc/kcore", MNT_DETACH) == 0);
  say("fsopen", ::syscall(SYS_fsopen, "cgroup", 0) >= 0);
  say("open_tree", ::syscall(SYS_open_tree, -100, "/", 1) >= 0);
  say("sysrq-trigger", ::open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC) >= 0);
  say("core_pattern", ::open("/proc/sys/kernel/core_pattern", O_WRONLY | O_CLOEXEC) >= 0);
  say("uevent_helper", ::open("/sys/kernel/uevent_helper", O_WRONLY | O_CLOEXEC) >= 0);
  say("mknod-disk", ::mknod("/tmp/disk", S_IFBLK | 0600, makedev(254, 0)) == 0);
  say("mknod-mem", ::mknod("/tmp/mem", S_IFCHR | 0600, makedev(1, 1)) == 0);
  say("open_by_handle_at", ::syscall(SYS_open_by_handle_at, -100, nullptr, 0) >= 0);
  say("setns", ::syscall(SYS_setns, 0, 0) == 0);
  say("init_module", ::syscall(SYS_init_module, nullptr, 0, "") == 0);
  say("bpf", ::syscall(SYS_bpf, 0, nullptr, 0) >= 0);
  say("keyctl", ::syscall(SYS_keyctl, 0, 0, 0) >= 0);
  say("unshare-mount", ::unshare(CLONE_NEWNS) == 0);
  say("unshare-user", ::unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP) == 0);
  mount_cgroups("unshared-");
  return 0;
}

// --- difficult programs

int tiocsti() {
  char letter = 'x';
  say("tiocsti-stdin", ::ioctl(0, TIOCSTI, &letter) == 0);
  say("tiocsti-stdout", ::ioctl(1, TIOCSTI, &letter) == 0);
  const int tty = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
  say("open-tty", tty >= 0);
  return 0;
}

int hog(const char* mebibytes) {
  std::puts("ready");
  std::fflush(stdout);
  const std::size_t size = std::strtoull(mebibytes, nullptr, 10) << 20U;
  char* memory = static_cast<char*>(std::malloc(size));
  for (std::size_t i = 0; memory && i < size; i += 4096) memory[i] = static_cast<char>(i);
  std::puts("survived");
  return memory ? memory[size / 2] : 1;
}

/// Lines of 64 bytes, numbered, `bytes` in all.
int flood(const char* bytes) {
  const std::uint64_t lines = std::strtoull(bytes, nullptr, 10) / 64;
  for (std::uint64_t i = 0; i < lines; ++i)
    std::printf("%020llu %.42s\n", static_cast<unsigned long long>(i), "..........................................");
  return std::fflush(stdout) == 0 ? 0 : 1;
}

int stubborn() {
  ::signal(SIGTERM, SIG_IGN);
  std::puts("ready");
  std::fflush(stdout);
  for (;;) ::pause();
}

struct Verb {
  const char* name;
  int arguments;
  int (*run)(char** argv);
};
constexpr Verb verbs[] = {
    {"fds", 0, [](char**) { return fds(); }},
    {"exe-writer", 1, [](char** argv) { return watch<ExeWriter>(argv[0]); }},
    {"fd-scan", 1, [](char** argv) { return watch<FdScanner>(argv[0]); }},
    {"attacks", 0, [](char**) { return attacks(); }},
    {"tiocsti", 0, [](char**) { return tiocsti(); }},
    {"hog", 1, [](char** argv) { return hog(argv[0]); }},
    {"flood", 1, [](char** argv) { return flood(argv[0]); }},
    {"stubborn", 0, [](char**) { return stubborn(); }},
};

}  // namespace

int main(int argc, char** argv) {
  for (const Verb& verb : verbs)
    if (argc == verb.arguments + 2 && std::strcmp(argv[1], verb.name) == 0) return verb.run(argv + 2);
  std::fprintf(stderr, "usage: probe VERB [ARGUMENT]; verbs:");
  for (const Verb& verb : verbs) std::fprintf(stderr, " %s", verb.name);
  std::fprintf(stderr, "\n");
  return 2;
}
