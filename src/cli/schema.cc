// SPDX-License-Identifier: Apache-2.0
#include "cli/schema.h"

#include <array>

#include <nlohmann/json.hpp>

#include "base/strings.h"
#include "cli/registry.h"

namespace servin::cli {
namespace {

using Json = nlohmann::ordered_json;

// One member a line: its path, its type. "[]" behind a type: a list of it. "?": may be null. A map has keys that are
// data.
constexpr std::string_view container_members = R"(
Id string
Name string
Created string
Path string
Args string[]
Image string
Platform string
Driver string
LogPath string
RestartCount integer
State.Status string
State.Running boolean
State.Paused boolean
State.Restarting boolean
State.OOMKilled boolean
State.Dead boolean
State.Pid integer
State.ExitCode integer
State.Error string
State.StartedAt string
State.FinishedAt string
HostConfig.Binds string[]?
HostConfig.NetworkMode string
HostConfig.AutoRemove boolean
HostConfig.RestartPolicy.Name string
HostConfig.RestartPolicy.MaximumRetryCount integer
HostConfig.CapAdd string[]?
HostConfig.CapDrop string[]?
HostConfig.Privileged boolean
HostConfig.ReadonlyRootfs boolean
HostConfig.SecurityOpt string[]?
HostConfig.ShmSize integer
HostConfig.Isolation string
HostConfig.Memory integer
HostConfig.MemorySwap integer
HostConfig.NanoCpus integer
HostConfig.CpusetCpus string
HostConfig.PidsLimit integer?
HostConfig.LogConfig.Type string
HostConfig.LogConfig.Config map
Mounts object[]
Config.Hostname string
Config.User string
Config.Tty boolean
Config.OpenStdin boolean
Config.Env string[]
Config.Cmd string[]?
Config.Image string
Config.WorkingDir string
Config.Entrypoint string[]?
Config.Labels map?
Config.StopSignal string
NetworkSettings.Ports map
NetworkSettings.Networks map
)";

constexpr std::string_view image_members = R"(
Id string
RepoTags string[]
RepoDigests string[]
Created string
Author string
Comment string
Architecture string
Os string
Size integer
Config.User string
Config.Env string[]?
Config.Cmd string[]?
Config.Entrypoint string[]?
Config.WorkingDir string
Config.Labels map?
RootFS.Type string
RootFS.Layers string[]
)";

constexpr std::string_view volume_members = R"(
Name string
Driver string
Mountpoint string
CreatedAt string
Labels map
Options map
Scope string
)";

constexpr std::string_view info_members = R"(
ServerVersion string
ServinRootDir string
Driver string
KernelVersion string
OperatingSystem string
OSType string
Architecture string
CgroupLayout string
NCPU integer
MemTotal integer
Containers integer
ContainersRunning integer
ContainersPaused integer
ContainersStopped integer
Images integer
SecurityOptions string[]
Warnings string[]
)";

constexpr std::string_view version_members = R"(
SchemaVersion integer
Client.Version string
Client.Os string
Client.Arch string
Server.Version string
Server.Os string
Server.Arch string
)";

Json type_of(std::string word) {
  bool nullable = word.ends_with('?');
  if (nullable) word.pop_back();
  Json schema;
  bool list = word.ends_with("[]");
  if (list) {
    schema = {{"type", "array"}, {"items", {{"type", word.substr(0, word.size() - 2)}}}};
  } else {
    schema = {{"type", word == "map" ? "object" : word}};
  }
  if (nullable) schema["type"] = Json::array({schema["type"], "null"});
  return schema;
}

Json empty_object() { return {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}}; }

void add_member(Json& object, const std::string& path, const std::string& type) {
  auto parts = split_once(path, '.');
  std::string name = parts ? parts->first : path;
  Json& properties = object["properties"];
  if (!properties.contains(name)) {
    properties[name] = parts ? empty_object() : type_of(type);
    object["required"].push_back(name);
  }
  if (parts) add_member(properties[name], parts->second, type);
}

Json object_of(std::string_view members) {
  Json object = empty_object();
  for (const std::string& line : split(members, '\n')) {
    if (auto pair = split_once(line, ' ')) add_member(object, pair->first, pair->second);
  }
  return object;
}

Json array_of(std::string_view members) { return {{"type", "array"}, {"items", object_of(members)}}; }

Json line_of(const CommandSpec& command) {
  Json object = empty_object();
  for (const Field& field : command.fields) add_member(object, std::string(field.name), "string");
  return object;
}

}  // namespace

std::string schemas_json() {
  Json all = Json::object();
  for (const CommandSpec* command : commands()) {
    if (!command->fields.empty()) all[std::string(command->name)] = line_of(*command);
  }
  all["inspect"] = array_of(container_members);
  all["image inspect"] = array_of(image_members);
  all["volume inspect"] = array_of(volume_members);
  all["info"] = object_of(info_members);
  all["version"] = object_of(version_members);
  for (auto& [name, schema] : all.items()) schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  return all.dump(1);
}

}  // namespace servin::cli
