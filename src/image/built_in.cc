// SPDX-License-Identifier: Apache-2.0
#include "image/built_in.h"

#include <array>
#include <unordered_set>

#include "archive/tar_writer.h"
#include "base/strings.h"
#include "image/full_disk.h"
#include "image/intake.h"
#include "image/layer_type.h"
#include "image/manifest.h"
#include "os/file.h"

extern "C" const char servin_busybox_blob_start[];
extern "C" const char servin_busybox_blob_end[];

namespace servin::image {

namespace {

constexpr std::int64_t made_at =
    1'764'230'400;  // 2025-11-27T08:00:00Z: a constant, so that equal programs make equal images
constexpr std::string_view created = "2025-11-27T08:00:00Z";
constexpr std::string_view comment = "made by servin from Debian's busybox-static";

/// What BusyBox can be called as. Those that the program inside does not know are left out (known_applets).
constexpr std::string_view applets =
    "[ [[ acpid adjtimex ar arch arp arping ascii ash awk base64 basename bc blkdiscard blockdev brctl bunzip2 bzcat "
    "bzip2 cal cat chgrp chmod chown chroot chvt clear cmp cp cpio crc32 crond crontab cttyhack cut date dc dd "
    "deallocvt depmod devmem df diff dirname dmesg dnsdomainname dos2unix dpkg dpkg-deb du dumpkmap dumpleases echo "
    "ed egrep env expand expr factor fallocate false fatattr fdisk fgrep find findfs fold free freeramdisk fsfreeze "
    "fstrim ftpget ftpput getopt getty grep groups gunzip gzip halt head hexdump hostid hostname httpd hwclock "
    "i2cdetect i2cdump i2cget i2cset i2ctransfer id ifconfig ifdown ifup init insmod ionice ip ipcalc ipneigh kill "
    "killall klogd last less link linux32 linux64 linuxrc ln loadfont loadkmap logger login logname logread losetup "
    "ls lsmod lsscsi lzcat lzma lzop md5sum mdev microcom mim mkdir mkdosfs mke2fs mkfifo mknod mkpasswd mkswap "
    "mktemp modinfo modprobe more mount mt mv nameif nc netstat nl nologin nproc nsenter nslookup nuke od openvt "
    "partprobe passwd paste patch pidof ping ping6 pivot_root poweroff printf ps pwd rdate readlink realpath reboot "
    "renice reset resume rev rm rmdir rmmod route rpm rpm2cpio run-init run-parts sed seq setkeycodes setpriv setsid "
    "sh sha1sum sha256sum sha3sum sha512sum shred shuf sleep sort ssl_client start-stop-daemon stat strings stty su "
    "sulogin svc svok swapoff swapon switch_root sync sysctl syslogd tac tail tar taskset tc tee telnet telnetd test "
    "tftp time timeout top touch tr tree traceroute traceroute6 true truncate ts tty tunctl ubirename udhcpc udhcpd "
    "uevent umount uname uncompress unexpand uniq unix2dos unlink unlzma unshare unxz unzip uptime usleep uudecode "
    "uuencode vconfig vi w watch watchdog wc wget which who whoami xargs xxd xz xzcat yes zcat";

constexpr std::int64_t lock_timeout = 60'000'000'000;  // ns

struct TextFile {
  std::string_view path, content;
};
constexpr std::array text_files = {
    TextFile{"etc/passwd",
             "root:x:0:0:root:/root:/bin/sh\n"
             "daemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
             "www-data:x:33:33:www-data:/var/www:/bin/false\n"
             "nobody:x:65534:65534:nobody:/:/bin/false\n"},
    TextFile{"etc/group", "root:x:0:\ndaemon:x:1:\ntty:x:5:\nwww-data:x:33:\nnogroup:x:65534:\n"},
    TextFile{"etc/hostname", ""},
    TextFile{"etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost\n"},
    TextFile{"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"},
    TextFile{"etc/os-release",
             "NAME=\"Servin base\"\nID=servin-base\nPRETTY_NAME=\"Servin base (BusyBox)\"\nVERSION_ID=1\n"},
    TextFile{"etc/resolv.conf", ""},
};

struct Folder {
  std::string_view path;
  std::uint32_t mode;
};
/// Parents first.
constexpr std::array folders = {
    Folder{"bin/", 0755},     Folder{"dev/", 0755},     Folder{"etc/", 0755},     Folder{"home/", 0755},
    Folder{"mnt/", 0755},     Folder{"opt/", 0755},     Folder{"proc/", 0555},    Folder{"root/", 0700},
    Folder{"run/", 0755},     Folder{"sbin/", 0755},    Folder{"srv/", 0755},     Folder{"sys/", 0555},
    Folder{"tmp/", 01777},    Folder{"usr/", 0755},     Folder{"usr/bin/", 0755}, Folder{"usr/sbin/", 0755},
    Folder{"var/", 0755},     Folder{"var/log/", 0755}, Folder{"var/run/", 0755}, Folder{"var/tmp/", 01777},
    Folder{"var/www/", 0755},
};

std::string_view busybox() {
  return {servin_busybox_blob_start, static_cast<std::size_t>(servin_busybox_blob_end - servin_busybox_blob_start)};
}

/// The applets that the program inside knows: BusyBox keeps their names one after the other, each ended by a NUL.
std::vector<std::string> known_applets() {
  std::vector<std::string> wanted = split(applets, ' ');
  std::unordered_set<std::string_view> names(wanted.begin(), wanted.end()), found;
  for (std::string_view rest = busybox(); !rest.empty();) {
    std::size_t end = rest.find('\0');
    std::string_view word = rest.substr(0, end);
    if (!word.empty() && word.size() < 32 && names.contains(word)) found.insert(word);
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  std::erase_if(wanted, [&](const std::string& name) { return !found.contains(name); });
  return wanted;
}

archive::TarEntry entry(std::string_view path, archive::TarType type, std::uint32_t mode) {
  archive::TarEntry e;
  e.path = path;
  e.type = type;
  e.mode = mode;
  e.mtime = made_at;
  return e;
}

void write_tree(archive::TarWriter& tar) {
  tar.add(entry("./", archive::TarType::directory, 0755));
  for (const Folder& folder : folders) tar.add(entry(folder.path, archive::TarType::directory, folder.mode));
  for (const TextFile& file : text_files) tar.add(entry(file.path, archive::TarType::file, 0644), file.content);
  tar.add(entry("bin/busybox", archive::TarType::file, 0755), busybox());
  for (const std::string& name : known_applets()) {
    archive::TarEntry link = entry("bin/" + name, archive::TarType::symlink, 0777);
    link.link = "busybox";
    tar.add(std::move(link));
  }
  tar.finish();
}

std::string built_in_layer() {
  archive::StringSink sink;
  archive::TarWriter tar(sink);
  write_tree(tar);
  return sink.take();
}

oci::ImageConfig base_config(const oci::Digest& diff) {
  oci::ImageConfig config;
  config.platform = oci::Platform::host();
  config.created = created;
  config.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  config.cmd = {"sh"};
  config.diff_ids = {diff};
  oci::HistoryEntry line;
  line.created = created;
  line.created_by = "servin";
  line.comment = comment;
  config.history = {line};
  return config;
}

void make(ImageStore& store) {
  // Of many first runs at once one makes it.
  make_dirs(store.paths().root);
  FileLock lock = FileLock::acquire(store.paths().root + "/base.lock", "the built-in image", lock_timeout);
  if (store.database().reference(std::string(built_in_reference))) return;
  store.sweep();
  std::string tar = built_in_layer();
  ProgressSink quiet;
  Intake intake(store, LoadOptions{}, quiet, std::string(built_in_reference));
  LayerSource layer;
  layer.name = "the built-in layer";
  layer.size = tar.size();
  layer.diff = layer.digest = oci::Digest::of(tar);
  layer.open = [&] { return std::make_unique<archive::MemorySource>(tar); };
  std::vector<LayerSource> layers;
  layers.push_back(std::move(layer));
  std::size_t number = intake.plan(std::move(layers));
  intake.take();
  std::vector<TakenLayer> taken = intake.layers(number);
  FinishedImage image;
  image.config = oci::to_json(base_config(taken.at(0).diff));
  image.manifest = make_manifest(image.config, taken);
  image.references = {std::string(built_in_reference)};
  image.diff_ids = {taken.at(0).diff};
  intake.commit({image});
}

}  // namespace

bool is_built_in(const std::string& text) {
  try {
    return oci::Reference::parse(text).str() == built_in_reference;
  } catch (const Error&) {
    return false;
  }
}

const oci::Digest& built_in_diff() {
  static const oci::Digest digest = oci::Digest::of(built_in_layer());
  return digest;
}

void make_built_in(ImageStore& store) {
  try {
    make(store);
  } catch (Error& e) {
    explain_full_disk(e, "make the built-in image", store.paths());
    throw;
  }
}

}  // namespace servin::image
