// SPDX-License-Identifier: Apache-2.0
#include "engine/options.h"

#include <csignal>

#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/option_error.h"

namespace servin::engine {
namespace {

const std::string cwd = "/work";
const std::string home = "/home/me";

template <typename F>
std::string message_of(F work) {
  try {
    work();
  } catch (const Error& e) {
    return e.message() + " | " + e.hint();
  }
  return "";
}

TEST(Volume, Forms) {
  MountSpec m = parse_volume("/a:/b", cwd, home);
  EXPECT_EQ(m.type, MountSpec::Type::bind);
  EXPECT_EQ(m.source, "/a");
  EXPECT_EQ(m.target, "/b");
  EXPECT_TRUE(m.create_source);
  EXPECT_FALSE(m.read_only);
  m = parse_volume("cache:/var/cache:ro,nocopy", cwd, home);
  EXPECT_EQ(m.type, MountSpec::Type::volume);
  EXPECT_EQ(m.source, "cache");
  EXPECT_TRUE(m.read_only);
  EXPECT_TRUE(m.no_copy);
  m = parse_volume("/data", cwd, home);
  EXPECT_EQ(m.type, MountSpec::Type::volume);
  EXPECT_EQ(m.source, "");
  EXPECT_EQ(m.target, "/data");
  m = parse_volume("/a:/b:ro,rslave,z", cwd, home);
  EXPECT_EQ(m.propagation, "rslave");
  EXPECT_TRUE(m.relabel);
  m = parse_volume("/a/./b//c/../d/:/x/../y", cwd, home);
  EXPECT_EQ(m.source, "/a/b/d");
  EXPECT_EQ(m.target, "/y");
}

TEST(Volume, RelativeAndHome) {
  EXPECT_EQ(parse_volume("./x:/b", cwd, home).source, "/work/x");
  EXPECT_EQ(parse_volume(".:/b", cwd, home).source, "/work");
  EXPECT_EQ(parse_volume("../x:/b", cwd, home).source, "/x");
  EXPECT_EQ(parse_volume("~/x:/b", cwd, home).source, "/home/me/x");
  EXPECT_EQ(parse_volume("~:/b", cwd, home).source, "/home/me");
}

TEST(Volume, Refusals) {
  for (const char* text : {"", ":", "a:", ":/b", "/a:b", "/a:/", "/a:/b:c:d", "/a:/b:nonsense", "x/y:/b", "a:/b",
                           "-a:/b", "/a:/b:nocopy", "vol:/b:shared", "/a:ro", "relative", "/", "vol:", "/a:/b:"})
    EXPECT_NE(message_of([&] { parse_volume(text, cwd, home); }), "") << text;
  EXPECT_NE(message_of([&] { parse_volume("data/x:/b", cwd, home); }).find("./data/x"), std::string::npos);
  EXPECT_NE(message_of([&] { parse_volume("/a:/b:nocpy", cwd, home); }).find("nocopy"), std::string::npos);
}

TEST(Mount, Forms) {
  MountSpec m = parse_mount("type=bind,source=/a,target=/b,readonly", cwd, home);
  EXPECT_EQ(m.type, MountSpec::Type::bind);
  EXPECT_TRUE(m.read_only);
  EXPECT_FALSE(m.create_source);
  m = parse_mount("src=vol,dst=/b,volume-nocopy", cwd, home);
  EXPECT_EQ(m.type, MountSpec::Type::volume);
  EXPECT_TRUE(m.no_copy);
  m = parse_mount("type=bind,\"src=/with,comma\",dst=/b,bind-propagation=rshared,ro=false", cwd, home);
  EXPECT_EQ(m.source, "/with,comma");
  EXPECT_EQ(m.propagation, "rshared");
  EXPECT_FALSE(m.read_only);
  m = parse_mount("type=tmpfs,destination=/t,tmpfs-size=1m,tmpfs-mode=1700", cwd, home);
  EXPECT_EQ(m.tmpfs_size, 1U << 20U);
  EXPECT_EQ(m.tmpfs_mode, 01700U);
  EXPECT_EQ(parse_mount("type=bind,src=data,dst=/b", cwd, home).source, "/work/data");
  EXPECT_FALSE(parse_mount("type=bind,src=/a,dst=/b,bind-recursive=disabled", cwd, home).recursive);
  EXPECT_TRUE(parse_mount("type=bind,src=/a,dst=/b,ro,bind-recursive=writable", cwd, home).writable_below);
  EXPECT_TRUE(parse_mount("type=bind,src=/a,dst=/b,create-host-path,idmap", cwd, home).create_source);
  m = parse_mount("type=volume,src=vol,dst=/b,volume-subpath=a/./b/,volume-opt=type=tmpfs,volume-opt=o=size=1m", cwd,
                  home);
  EXPECT_EQ(m.subpath, "a/b");
  EXPECT_EQ(m.volume_options.at("o"), "size=1m");
  EXPECT_TRUE(parse_mount("type=image,src=base,dst=/b", cwd, home).read_only);
  m = parse_volume("/a:/b:U,nosuid,noexec", cwd, home);
  EXPECT_TRUE(m.idmap);
  EXPECT_EQ(m.attributes, (std::vector<std::string>{"nosuid", "noexec"}));
}

TEST(Mount, Refusals) {
  for (const char* text : {"",
                           "type=bind",
                           "type=bind,dst=/b",
                           "type=bind,src=/a",
                           "type=nfs,dst=/b",
                           "type=tmpfs,src=/a,dst=/b",
                           "dst",
                           "type=bind,src=/a,dst=b",
                           "type=bind,src=/a,dst=/",
                           "type=volume,src=a/b,dst=/b",
                           "type=tmpfs,dst=/b,bind-propagation=shared",
                           "type=bind,src=/a,dst=/b,volume-nocopy",
                           "type=bind,src=/a,dst=/b,bind-propagation=loud",
                           "type=tmpfs,dst=/b,tmpfs-mode=999",
                           "type=tmpfs,dst=/b,tmpfs-size=big",
                           "\"type=bind",
                           "type=bind,src=/a,dst=/b,readonly=maybe",
                           "type=volume,src=v,dst=/b,volume-driver=nfs",
                           "type=bind,src=/a,dst=/b,volume-opt=o=x",
                           "type=volume,src=v,dst=/b,volume-subpath=/abs",
                           "type=volume,src=v,dst=/b,volume-subpath=../up",
                           "type=bind,src=/a,dst=/b,subpath=x",
                           "type=tmpfs,dst=/b,idmap",
                           "type=bind,src=/a,dst=/b,bind-recursive=readonly",
                           "type=image,dst=/b"})
    EXPECT_NE(message_of([&] { parse_mount(text, cwd, home); }), "") << text;
}

TEST(Tmpfs, Forms) {
  EXPECT_EQ(parse_tmpfs("/run").target, "/run");
  MountSpec m = parse_tmpfs("/run:rw,exec,size=64k,mode=755,uid=5,nr_inodes=10");
  EXPECT_EQ(m.tmpfs_size, 65536U);
  EXPECT_EQ(m.tmpfs_mode, 0755U);
  EXPECT_EQ(m.tmpfs_options, (std::vector<std::string>{"exec", "uid=5", "nr_inodes=10"}));
  EXPECT_TRUE(parse_tmpfs("/run:ro").read_only);
  for (const char* text : {"", "run", "/", "/t:what", "/t:size=x", "/t:mode=8", "/t:uid=me", "/t:mpol=bind"})
    EXPECT_NE(message_of([&] { parse_tmpfs(text); }), "") << text;
}

TEST(Device, Forms) {
  DeviceSpec d = parse_device("/dev/fuse");
  EXPECT_EQ(d.container_path, "/dev/fuse");
  EXPECT_EQ(d.permissions, "rwm");
  d = parse_device("/dev/a:/dev/b:r");
  EXPECT_EQ(d.container_path, "/dev/b");
  EXPECT_EQ(d.permissions, "r");
  d = parse_device("/dev/a:rw");
  EXPECT_EQ(d.container_path, "/dev/a");
  EXPECT_EQ(d.permissions, "rw");
  for (const char* text : {"", "dev/x", "/dev/a:b", "/dev/a:/b:x", "/dev/a:/b:r:w", "vendor.com/class=name", ":/x"})
    EXPECT_NE(message_of([&] { parse_device(text); }), "") << text;
}

TEST(Ulimit, Forms) {
  Ulimit u = parse_ulimit("nofile=1024:4096");
  EXPECT_EQ(u.name, "nofile");
  EXPECT_EQ(u.soft, 1024);
  EXPECT_EQ(u.hard, 4096);
  EXPECT_EQ(parse_ulimit("core=-1").hard, -1);
  EXPECT_EQ(parse_ulimit("memlock=unlimited").soft, -1);
  for (const char* text : {"", "nofile", "nofile=", "nofile=x", "nofile=2:1", "nofile=-1:5", "nofile=1:2:3", "what=1",
                           "nofile=-2", "nofile= 1"})
    EXPECT_NE(message_of([&] { parse_ulimit(text); }), "") << text;
}

TEST(Cpus, Forms) {
  EXPECT_EQ(parse_cpus("1.5"), 1'500'000'000);
  EXPECT_EQ(parse_cpus("2"), 2'000'000'000);
  EXPECT_EQ(parse_cpus(".25"), 250'000'000);
  EXPECT_EQ(parse_cpus("0.000000001"), 1);
  for (const char* text : {"", ".", "-1", "1e3", "1.0000000001", "x", "1.5x", "99999999999999999999", "1,5"})
    EXPECT_NE(message_of([&] { parse_cpus(text); }), "") << text;
}

TEST(Signal, NamesAndNumbers) {
  EXPECT_EQ(parse_signal("SIGTERM"), SIGTERM);
  EXPECT_EQ(parse_signal("term"), SIGTERM);
  EXPECT_EQ(parse_signal("9"), SIGKILL);
  EXPECT_EQ(parse_signal("RTMIN"), 34);
  EXPECT_EQ(parse_signal("SIGRTMIN+3"), 37);
  EXPECT_EQ(parse_signal("RTMAX-1"), 63);
  for (int n = 1; n <= 64; ++n) EXPECT_EQ(parse_signal(signal_name(n)), n) << signal_name(n);
  for (const char* text : {"", "0", "65", "-9", "TERMINATE", "SIG", "RTMIN-1", "RTMAX+1", "RTMIN+99", "SIGSIGTERM"})
    EXPECT_NE(message_of([&] { parse_signal(text); }), "") << text;
}

TEST(CleanPath, IsLexical) {
  using detail::clean_path;
  EXPECT_EQ(clean_path("/"), "/");
  EXPECT_EQ(clean_path("//a///b/"), "/a/b");
  EXPECT_EQ(clean_path("/.."), "/");
  EXPECT_EQ(clean_path("/a/../../b"), "/b");
  EXPECT_EQ(clean_path("a/.."), ".");
  EXPECT_EQ(clean_path("../a"), "../a");
}

class Validate : public ::testing::Test {
 protected:
  Validate() { r_.image = "base"; }
  void refuses(const std::string& part) {
    std::string message = message_of([&] { validate(r_); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
    r_ = {};
    r_.image = "base";
  }
  CreateRequest r_;
};

TEST_F(Validate, AcceptsThePlain) { EXPECT_NO_THROW(validate(r_)); }

TEST_F(Validate, Networks) {
  for (const char* mode : {"none", "host", "bridge", "container:x", "mynet"}) {
    r_.network = mode;
    EXPECT_NO_THROW(validate(r_)) << mode;
  }
  for (const char* mode : {"", "my net", "-x"}) {
    r_.network = mode;
    refuses("invalid network name");
  }
  r_.network = "container:";
  refuses("name is missing");
  for (const char* mode : {"none", "host", "container:x"}) {
    r_.network = mode;
    r_.publish = {"80"};
    refuses("do not go together");
  }
}

TEST_F(Validate, WhatIsAskedForInANetwork) {
  r_.network = "mynet";
  r_.ip = "10.5.0.9";
  r_.ip6 = "fd00:5::9";
  r_.mac = "02-42-0a-05-00-09";
  r_.network_aliases = {"db", "sql.prod", "a_b"};
  EXPECT_NO_THROW(validate(r_));
  for (const char* mode : {"none", "host", "bridge", "container:x"}) {
    r_.network = mode;
    r_.ip = "10.5.0.9";
    refuses("do not go together");
    r_.network = mode;
    r_.network_aliases = {"db"};
    refuses("do not go together");
  }
  r_.network = "bridge";
  r_.mac = "02:42:0a:05:00:09";
  EXPECT_NO_THROW(validate(r_));
  r_.network = "host";
  refuses("do not go together");
  for (const char* mac :
       {"01:00:5e:00:00:01", "00:00:00:00:00:00", "02:42", "02:42:0a:05:00:0g", "02:42:0a:05:00:090"}) {
    r_.network = "mynet";
    r_.mac = mac;
    refuses("--mac-address");
  }
  for (const char* alias : {"", "two words", "-x", ".x", "a/b"}) {
    r_.network = "mynet";
    r_.network_aliases = {alias};
    refuses("--network-alias");
  }
  r_.network = "mynet";
  r_.ip = "fd00::1";
  refuses("not an IPv4 address");
  r_.network = "mynet";
  r_.ip6 = "10.5.0.9";
  refuses("not an IPv6 address");
}

TEST_F(Validate, Contradictions) {
  r_.hostname = "x";
  r_.uts_mode = "host";
  refuses("do not go together");
  r_.resources.nano_cpus = 1'000'000'000;
  r_.resources.cpu_quota = 5000;
  refuses("do not go together");
  r_.sysctls["net.ipv4.ip_forward"] = "1";
  r_.network = "host";
  refuses("do not go together");
  r_.mounts.resize(2);
  r_.mounts[0].target = r_.mounts[1].target = "/x";
  refuses("mounted twice");
  r_.isolation = Isolation::none;
  r_.privileged = true;
  refuses("--isolation none");
  r_.resources.memory_swap = 1 << 30;
  refuses("needs --memory");
}

TEST_F(Validate, Ranges) {
  r_.resources.memory = 1;
  refuses("6m");
  r_.resources.cpu_shares = 1;
  refuses("262144");
  r_.resources.cpuset_cpus = "a-b";
  refuses("not a list");
  r_.resources.blkio_weight = 5;
  refuses("10 to 1000");
  r_.oom_score_adj = 5000;
  refuses("1000");
  r_.working_dir = "x";
  refuses("absolute");
  r_.extra_hosts = {"x:y"};
  refuses("NAME:ADDRESS");
  r_.extra_hosts = {"x y:10.0.0.1"};
  refuses("NAME:ADDRESS");
  r_.extra_hosts = {"x:host-gateway"};
  refuses("no way to the host");
  r_.hostname = "a b";
  refuses("host name");
  r_.cgroup_parent = "/a/../b";
  refuses("absolute");
  r_.log_options["max-size"] = "1";
  refuses("4k");
  r_.security_opt = {"no-new-priv"};
  refuses("no-new-privileges");
  r_.sysctls["kernel.panic"] = "1";
  refuses("change the host");
}

TEST(ParseExpose, ReadsEveryForm) {
  EXPECT_EQ(parse_expose("80"), std::vector<std::string>{"80/tcp"});
  EXPECT_EQ(parse_expose("53/UDP"), std::vector<std::string>{"53/udp"});
  EXPECT_EQ(parse_expose("8000-8002"), (std::vector<std::string>{"8000/tcp", "8001/tcp", "8002/tcp"}));
  for (const char* bad : {"", "8080:80", "http", "0", "65536", "80/icmp"})
    EXPECT_THROW(parse_expose(bad), Error) << bad;
}

TEST(ParsePublish, ReadsEveryForm) {
  auto one = [](std::string_view text) {
    auto ports = parse_publish(text);
    EXPECT_EQ(ports.size(), 1U) << text;
    return ports.at(0);
  };
  EXPECT_EQ(one("80"), (PortSpec{"", 0, 80, "tcp"}));
  EXPECT_EQ(one("8080:80"), (PortSpec{"", 8080, 80, "tcp"}));
  EXPECT_EQ(one("53/UDP"), (PortSpec{"", 0, 53, "udp"}));
  EXPECT_EQ(one("127.0.0.1:8080:80/sctp"), (PortSpec{"127.0.0.1", 8080, 80, "sctp"}));
  EXPECT_EQ(one("127.0.0.1::80"), (PortSpec{"127.0.0.1", 0, 80, "tcp"}));
  EXPECT_EQ(one("[::1]:8080:80"), (PortSpec{"::1", 8080, 80, "tcp"}));
  EXPECT_EQ(one("[::1]::80"), (PortSpec{"::1", 0, 80, "tcp"}));
  auto range = parse_publish("8000-8002:80-82");
  ASSERT_EQ(range.size(), 3U);
  EXPECT_EQ(range[2], (PortSpec{"", 8002, 82, "tcp"}));
  EXPECT_EQ(parse_publish("80-81").size(), 2U);
  EXPECT_EQ(one("127.0.0.1:8000-8009:80"), (PortSpec{"127.0.0.1", 8000, 80, "tcp", 8009})) << "the first free one";
  for (const char* bad : {"", "0", "x", "80:", "8080:0", "70000", "0-9:3", "1-3:3-4", "82-80", "1.2.3.4.5:80:80",
                          "[::1:80:80", "::1:80:80", "80/icmp", "-80", "80-", "a:b:c:d", "localhost:80:80", "80/"})
    EXPECT_THROW(parse_publish(bad), Error) << bad;
}

}  // namespace
}  // namespace servin::engine
