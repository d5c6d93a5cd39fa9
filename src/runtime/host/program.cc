// SPDX-License-Identifier: Apache-2.0
#include "runtime/host/program.h"

#include <cerrno>
#include <climits>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <sys/stat.h>

#include "base/error.h"
#include "base/strings.h"
#include "os/path_open.h"

namespace servin::runtime {
namespace {

constexpr const char* usual_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

Error cannot_start(int err, const std::string& program) {
  if (err == ENOENT || err == ENOTDIR || err == ELOOP)
    return error(ErrorCode::not_found, "{}: command not found", printable(program))
        .with_errno(err)
        .with_id("E-COMMAND-NOT-FOUND");
  return error(ErrorCode::permission_denied, "{}: cannot be executed: {}", printable(program), errno_text(err))
      .with_errno(err)
      .with_id("E-COMMAND-NOT-EXECUTABLE");
}

std::vector<char*> pointers(const std::vector<std::string>& list) {
  std::vector<char*> out;
  for (const std::string& s : list) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

/// Where `program` may be: itself when it has a slash, else in the folders of PATH.
std::vector<std::string> candidates(const std::string& program, const std::vector<std::string>& env) {
  if (program.find('/') != std::string::npos) return {program};
  std::vector<std::string> out;
  for (const std::string& folder : split(path_of(env), ':'))
    out.push_back((folder.empty() ? "." : folder) + "/" + program);
  return out;
}

std::string name_of(const Fd& fd) {
  char buffer[PATH_MAX];
  ssize_t n = ::readlink(fmt::format("/proc/self/fd/{}", fd.get()).c_str(), buffer, sizeof buffer);
  if (n <= 0) throw_errno("find the path of a file");
  return std::string(buffer, static_cast<std::size_t>(n));
}

/// PT_INTERP of a 64-bit ELF program of this machine; "" for static programs, scripts and all else.
std::string loader_of(const Fd& program) {
  Elf64_Ehdr head{};
  if (::pread(program.get(), &head, sizeof head, 0) != sizeof head || std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
      head.e_ident[EI_CLASS] != ELFCLASS64)
    return "";
  for (unsigned i = 0; i < head.e_phnum && i < 256; ++i) {
    Elf64_Phdr part{};
    auto at = static_cast<off_t>(head.e_phoff + i * std::uint64_t{head.e_phentsize});
    if (::pread(program.get(), &part, sizeof part, at) != sizeof part) return "";
    if (part.p_type != PT_INTERP || part.p_filesz == 0 || part.p_filesz > PATH_MAX) continue;
    std::string name(part.p_filesz, '\0');
    if (::pread(program.get(), name.data(), name.size(), static_cast<off_t>(part.p_offset)) < 0) return "";
    return name.c_str();
  }
  return "";
}

std::string library_folders(const std::string& folder) {
  std::string out;
  for (const char* place : {"/lib", "/usr/lib", "/lib64", "/usr/lib64", "/lib/x86_64-linux-gnu",
                            "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu"})
    out += (out.empty() ? "" : ":") + folder + place;
  return out;
}

void put_image_first_in_path(const std::string& folder, std::vector<std::string>& env) {
  std::string path;
  for (const std::string& place : split(path_of(env), ':')) path += folder + place + ":";
  const char* host = ::getenv("PATH");
  path += host ? host : usual_path;
  std::erase_if(env, [](const std::string& e) { return e.starts_with("PATH="); });
  env.push_back("PATH=" + path);
}

}  // namespace

std::string path_of(const std::vector<std::string>& env) {
  for (const std::string& e : env)
    if (e.starts_with("PATH=")) return e.substr(5);
  return usual_path;
}

void execute(const std::vector<std::string>& args, const std::vector<std::string>& env) {
  auto argv = pointers(args);
  auto envp = pointers(env);
  int err = ENOENT;
  for (const std::string& path : candidates(args[0], env)) {
    ::execve(path.c_str(), argv.data(), envp.data());
    if (errno != ENOENT && errno != ENOTDIR) err = errno;
  }
  throw cannot_start(err, args[0]);
}

void execute_below(const Fd& root, const std::string& folder, const std::vector<std::string>& args,
                   std::vector<std::string> env) {
  int err = ENOENT;
  Fd program;
  for (const std::string& path : candidates(args[0], env)) {
    program = try_open_in_root(root, path, O_RDONLY | O_NONBLOCK);
    struct stat s{};
    if (program && ::fstat(program.get(), &s) == 0 && S_ISREG(s.st_mode) && (s.st_mode & 0111U) != 0) break;
    if (errno != ENOENT && errno != ENOTDIR) err = program ? EACCES : errno;
    program.reset();
  }
  if (!program) throw cannot_start(err, args[0]);
  put_image_first_in_path(folder, env);
  std::string path = name_of(program);
  std::vector<std::string> line = args;
  std::string loader = loader_of(program);
  Fd in_image = loader.empty() ? Fd() : try_open_in_root(root, loader, O_PATH);
  if (in_image) {
    line = {loader, "--argv0", args[0], "--library-path", library_folders(folder), path};
    line.insert(line.end(), args.begin() + 1, args.end());
    path = name_of(in_image);
  }
  ::execve(path.c_str(), pointers(line).data(), pointers(env).data());
  throw cannot_start(errno, args[0]);
}

}  // namespace servin::runtime
