// SPDX-License-Identifier: Apache-2.0
#include "oci/runtime_spec.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace servin::oci {
namespace {

using nlohmann::json;

RuntimeSpec full() {
  RuntimeSpec s;
  s.process.args = {"sh", "-c", "true"};
  s.process.env = {"A=1"};
  s.process.capabilities.bounding = {"CAP_KILL"};
  s.process.rlimits = {{"RLIMIT_NOFILE", 10, 20}};
  s.process.additional_gids = {5};
  s.process.umask = 022;
  s.process.oom_score_adj = 100;
  s.process.console_rows = 24;
  s.process.console_columns = 80;
  s.root_path = "rootfs";
  s.hostname = "box";
  s.mounts = {{"/proc", "proc", "proc", {"nosuid"}}, {"/data", "bind", "/src", {"rbind", "ro"}}};
  s.annotations = {{"a.b", "c"}};
  s.namespaces = {{"pid", ""}, {"network", "/proc/1/ns/net"}};
  s.devices = {{"c", "/dev/fuse", 10, 229, 0600, 0, 0}, {"p", "/pipe", 0, 0, 0600, 0, 0}};
  s.cgroups_path = "/servin/x";
  s.resources.devices = {{}, {true, "c", 1, 3, "rwm"}};
  s.resources.memory_limit = 1 << 20;
  s.resources.memory_swap = -1;
  s.resources.cpu_shares = 512;
  s.resources.cpu_quota = 50000;
  s.resources.cpu_period = 100000;
  s.resources.cpuset_cpus = "0";
  s.resources.pids_limit = 2048;
  s.resources.blkio_weight = 100;
  s.seccomp.profile = R"({"defaultAction": "SCMP_ACT_ALLOW"})";
  s.sysctl = {{"net.ipv4.ip_forward", "1"}};
  s.masked_paths = {"/proc/kcore"};
  s.readonly_paths = {"/proc/sys"};
  s.rootfs_propagation = "private";
  s.uid_mappings = {{0, 1000, 1}};
  return s;
}

TEST(RuntimeSpec, IsWhatTheSpecificationSays) {
  json j = json::parse(to_json(full()));
  EXPECT_EQ(j["ociVersion"], "1.2.0");
  EXPECT_EQ(j["process"]["user"], (json{{"uid", 0}, {"gid", 0}, {"umask", 18}, {"additionalGids", {5}}}));
  EXPECT_EQ(j["process"]["rlimits"][0], (json{{"type", "RLIMIT_NOFILE"}, {"soft", 10}, {"hard", 20}}));
  EXPECT_EQ(j["process"]["consoleSize"], (json{{"height", 24}, {"width", 80}}));
  EXPECT_EQ(j["root"], (json{{"path", "rootfs"}, {"readonly", false}}));
  EXPECT_EQ(j["mounts"][1],
            (json{{"destination", "/data"}, {"type", "bind"}, {"source", "/src"}, {"options", {"rbind", "ro"}}}));
  json& l = j["linux"];
  EXPECT_EQ(l["namespaces"][0], (json{{"type", "pid"}}));
  EXPECT_EQ(l["namespaces"][1]["path"], "/proc/1/ns/net");
  EXPECT_EQ(l["resources"]["devices"][0], (json{{"allow", false}, {"type", "a"}, {"access", "rwm"}}));
  EXPECT_EQ(l["resources"]["devices"][1]["minor"], 3);
  EXPECT_EQ(l["resources"]["memory"], (json{{"limit", 1 << 20}, {"swap", -1}}));
  EXPECT_EQ(l["resources"]["cpu"], (json{{"shares", 512}, {"quota", 50000}, {"period", 100000}, {"cpus", "0"}}));
  EXPECT_EQ(l["resources"]["pids"]["limit"], 2048);
  EXPECT_EQ(l["resources"]["blockIO"]["weight"], 100);
  EXPECT_FALSE(l["devices"][1].contains("major")) << "a fifo has no numbers";
  EXPECT_EQ(l["seccomp"]["defaultAction"], "SCMP_ACT_ALLOW");
  EXPECT_EQ(l["sysctl"]["net.ipv4.ip_forward"], "1");
  EXPECT_EQ(l["uidMappings"][0], (json{{"containerID", 0}, {"hostID", 1000}, {"size", 1}}));
}

TEST(RuntimeSpec, LeavesOutWhatIsNotSet) {
  json j = json::parse(to_json({}));
  EXPECT_FALSE(j.contains("hostname"));
  EXPECT_FALSE(j.contains("annotations"));
  EXPECT_EQ(j["linux"]["resources"], json::object());
  EXPECT_FALSE(j["linux"].contains("seccomp"));
  EXPECT_FALSE(j["process"].contains("rlimits"));
}

TEST(RuntimeSpec, BadBytesDoNotThrow) {
  RuntimeSpec s;
  s.process.env = {"A=\xff\xfe"};
  json parsed;
  EXPECT_NO_THROW(parsed = json::parse(to_json(s)));
  EXPECT_TRUE(parsed.is_object());
}

}  // namespace
}  // namespace servin::oci
