// SPDX-License-Identifier: Apache-2.0
// An Engine of the tests' own: answers from tables, notes what it was asked.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/main.h"
#include "engine/engine.h"

namespace servin::cli {

class FakeEngine : public engine::Engine {
 public:
  std::vector<engine::Container> containers;
  std::vector<engine::ImageSummary> images;
  std::vector<engine::Volume> volumes;
  std::vector<std::string> calls;
  std::function<void()> on_rename;  // called when set: throws what a test wants
  std::vector<engine::StatsSample> samples;

  Created create(const engine::CreateRequest& request) override {
    calls.push_back("create " + request.image);
    return {"f00df00df00d", {}};
  }
  std::unique_ptr<engine::Attachment> start(const std::string& name, const engine::AttachRequest*) override {
    return note("start", name), nullptr;
  }
  std::unique_ptr<engine::Attachment> run(const engine::CreateRequest& request, const engine::AttachRequest*,
                                          Created& created) override {
    calls.push_back("run " + request.image);
    created = {"f00df00df00d", {"a warning"}};
    return nullptr;
  }
  std::unique_ptr<engine::Attachment> attach(const std::string&, const engine::AttachRequest&) override {
    return nullptr;
  }
  void stop(const std::string& name, std::optional<int>, const std::string&) override { note("stop", name); }
  void restart(const std::string& name, std::optional<int>) override { note("restart", name); }
  void kill(const std::string& name, const std::string& signal) override { note("kill " + signal, name); }
  void pause(const std::string& name) override { note("pause", name); }
  void unpause(const std::string& name) override { note("unpause", name); }
  void remove(const std::string& name, bool force, bool) override { note(force ? "remove -f" : "remove", name); }
  void rename(const std::string& name, const std::string& to) override {
    if (on_rename) on_rename();
    note("rename " + to, name);
  }
  std::vector<engine::Container> list(const engine::ContainerFilter& filter) override {
    std::vector<engine::Container> shown;
    for (const auto& c : containers) {
      if (filter.all || c.state.status == engine::Status::running) shown.push_back(c);
    }
    return shown;
  }
  std::vector<engine::ContainerName> container_names(bool running_only) override {
    std::vector<engine::ContainerName> names;
    for (const auto& c : list({.all = !running_only, .filters = {}, .last = 0}))
      names.push_back({c.name(), c.state.status});
    return names;
  }
  engine::Container inspect(const std::string& name) override { return find(name); }
  engine::ContainerSize size(const std::string&) override { return {1000, 2000000}; }
  std::string inspect_json(const std::string& name, bool) override {
    return R"({"Id":")" + find(name).config.id + R"(","Name":"/)" + name +
           R"(","State":{"Status":"running","Pid":42},"Config":{"Env":["A=1","B=2"],"Labels":{"k":"v"},"Cmd":null}})";
  }
  engine::ExitResult wait(const std::string& name, const std::string&) override {
    return note("wait", name), engine::ExitResult{7, false, ""};
  }
  void logs(const std::string&, const engine::LogRequest&, const engine::LogSink& sink) override {
    sink({engine::LogLine::Stream::out, {.ns = 1}, "to out\n"});
    sink({engine::LogLine::Stream::err, {.ns = 1}, "to err\n"});
  }
  std::unique_ptr<engine::Attachment> exec(const std::string& name, const engine::ExecRequest&, bool) override {
    return note("exec", name), nullptr;
  }
  std::vector<engine::StatsSample> stats(const std::vector<std::string>&, bool) override { return samples; }
  std::vector<std::string> update(const std::string& name, const engine::UpdateRequest&) override {
    return note("update", name), std::vector<std::string>{};
  }
  std::vector<engine::EnabledStart> start_enabled() override { return {{"abc", "web", ""}, {"def", "db", "no disk"}}; }
  std::vector<engine::Migration> migrate() override { return {{"/root/servin.db", 1, 1}}; }
  engine::TopResult top(const std::string& name, const std::string&) override {
    note("top", name);
    return {{"PID", "CMD"}, {{"1", "sh"}, {"22", "evil\x1b[31m"}}};
  }
  engine::PruneResult prune_containers(const std::map<std::string, std::vector<std::string>>&, bool dry_run) override {
    calls.emplace_back(dry_run ? "prune containers (dry run)" : "prune containers");
    return {{"old"}, 1500};
  }
  std::vector<engine::LoadedImage> load(const Fd&, const std::string&, const engine::LoadRequest& request,
                                        const engine::ProgressSink&) override {
    calls.push_back("load " + request.name);
    return {{"sha256:1", "docker.io/library/alpine:latest", false}, {"sha256:2", "", false}};
  }
  void save(const std::vector<std::string>&, engine::SaveFormat, const Fd&, const engine::ProgressSink&) override {}
  engine::FileInfo stat_path(const std::string& name, const std::string& path, bool) override {
    return note("stat " + path, name), engine::FileInfo{};
  }
  std::unique_ptr<archive::ByteSource> pack(const std::string& name, const engine::PackRequest& request) override {
    return note("pack " + request.path, name), std::make_unique<archive::MemorySource>("");
  }
  void unpack(const std::string& name, const engine::UnpackRequest& request,
              std::unique_ptr<archive::ByteSource>) override {
    note("unpack " + request.folder, name);
  }
  std::vector<engine::FileInfo> list_path(const std::string&, const std::string&) override { return {}; }
  void cat(const std::string& name, const std::string& path, const Fd&) override { note("cat " + path, name); }
  void find(const std::string&, const engine::FindRequest&, const engine::FindSink&) override {}
  void make_folder(const std::string& name, const std::string& path, std::uint32_t, bool) override {
    note("mkdir " + path, name);
  }
  void remove_folder(const std::string& name, const std::string& path) override { note("rmdir " + path, name); }
  void remove_path(const std::string& name, const std::string& path, bool, bool) override { note("rm " + path, name); }
  void move_path(const std::string& name, const std::string& from, const std::string&) override {
    note("mv " + from, name);
  }
  void change_mode(const std::string& name, const std::string& path, const std::string&, bool) override {
    note("chmod " + path, name);
  }
  std::vector<engine::PathChange> diff(const std::string&) override {
    return {{engine::PathChange::Kind::added, "/new"}};
  }
  std::unique_ptr<archive::ByteSource> export_root(const std::string& name) override {
    return note("export", name), std::make_unique<archive::MemorySource>("");
  }
  std::string commit(const std::string& name, const engine::CommitRequest& request,
                     const engine::ProgressSink&) override {
    return note("commit " + request.reference, name), "sha256:f00d";
  }
  std::vector<engine::PulledImage> pull(const engine::PullRequest& request, const engine::ProgressSink&) override {
    calls.push_back("pull " + request.image);
    return {{"sha256:1", "docker.io/library/alpine:latest", "sha256:2", false}};
  }
  std::vector<engine::PushedImage> push(const engine::PushRequest& request, const engine::ProgressSink&) override {
    calls.push_back("push " + request.image);
    return {{"docker.io/library/alpine:latest", "sha256:2", 500, 1, 0, 0}};
  }
  std::string provide_image(const engine::PullRequest& request, const std::string& when,
                            const engine::ProgressSink&) override {
    calls.push_back("provide " + when + " " + request.image);
    return request.image;
  }
  std::string login(const engine::LoginRequest& request) override {
    calls.push_back("login " + request.user + " " + request.password + " " + request.registry);
    return "/root/.docker/config.json";
  }
  bool logout(const std::string& registry, const std::string&) override { return registry != "unknown"; }
  std::vector<engine::SearchResult> search(const engine::SearchRequest&) override {
    return {{"nginx", "a server", 5, true}};
  }
  std::vector<engine::ImageSummary> list_images(const engine::ImageFilter&) override { return images; }
  engine::ImageDetail inspect_image(const std::string&) override { return {}; }
  std::string inspect_image_json(const std::string& name) override {
    if (name != "base") throw Error(ErrorCode::not_found, "no such image: " + name).with_id("E-IMAGE-NOT-FOUND");
    return R"({"Id":"sha256:1"})";
  }
  void tag(const std::string& image, const std::string& name) override { note("tag " + name, image, false); }
  engine::RemovedImage remove_image(const std::string& name, bool) override {
    if (name != "base") throw Error(ErrorCode::not_found, "no such image: " + name).with_id("E-IMAGE-NOT-FOUND");
    return {{"base:latest"}, {"sha256:1"}};
  }
  engine::PruneResult prune_images(bool, const std::map<std::string, std::vector<std::string>>&, bool) override {
    calls.emplace_back("prune images");
    return {};
  }
  std::vector<Template> list_templates() override { return {{"base", "BusyBox"}}; }
  engine::LoadedImage create_template(const std::string&, const std::string& reference) override {
    return {"sha256:1", reference, false};
  }
  engine::Volume create_volume(const engine::Volume& request) override { return request; }
  std::vector<engine::Volume> list_volumes(const std::map<std::string, std::vector<std::string>>&) override {
    return volumes;
  }
  engine::Volume inspect_volume(const std::string& name) override {
    for (const auto& volume : volumes) {
      if (volume.name == name) return volume;
    }
    throw Error(ErrorCode::not_found, "no such volume: " + name).with_id("E-VOLUME-NOT-FOUND");
  }
  void remove_volume(const std::string& name, bool) override { inspect_volume(name); }
  engine::Network create_network(const engine::NetworkRequest& request) override {
    engine::Network n;
    n.id = n.name = request.name;
    return n;
  }
  std::vector<engine::Network> list_networks(const std::map<std::string, std::vector<std::string>>&) override {
    return {};
  }
  engine::Network inspect_network(const std::string& name) override {
    throw Error(ErrorCode::not_found, "no such network: " + name).with_id("E-NETWORK-NOT-FOUND");
  }
  void remove_network(const std::string& name, bool) override { inspect_network(name); }
  void connect_network(const std::string& name, const std::string&, const engine::NetworkAddress&) override {
    inspect_network(name);
  }
  void disconnect_network(const std::string& name, const std::string&, bool) override { inspect_network(name); }
  void reload_networks() override {}
  engine::PruneResult prune_networks(const std::map<std::string, std::vector<std::string>>&, bool) override {
    return {};
  }
  engine::PruneResult prune_volumes(bool, const std::map<std::string, std::vector<std::string>>&, bool) override {
    return {};
  }
  engine::EngineInfo info() override { return {}; }
  engine::DiskUsage disk_usage() override {
    return {.rows = {{"Images", 2, 1, 3000, 1500}}, .images = {}, .containers = {}, .volumes = {}};
  }
  void events(const engine::EventRequest&, const engine::EventSink& sink) override {
    sink({{.ns = 1'700'000'000'000'000'000}, "container", "start", "abc", {{"image", "base"}, {"name", "web"}}});
  }
  std::vector<engine::DoctorCheck> doctor(bool, bool) override {
    return {{"one", engine::DoctorCheck::Result::failed, "it is broken", "mend it"}};
  }

  void add(const std::string& name, engine::Status status, const std::string& image = "base") {
    engine::Container c;
    c.config.id = std::string(64, static_cast<char>('a' + containers.size() % 6));
    c.config.request.name = name;
    c.config.request.image = image;
    c.config.image_name = image;
    c.config.args = {"sleep", "1000"};
    c.config.created = {now().ns - 7200'000'000'000};
    c.state.status = status;
    c.state.started = {now().ns - 300'000'000'000};
    c.state.finished = {now().ns - 60'000'000'000};
    c.state.exit_code = 3;
    containers.push_back(std::move(c));
  }

 private:
  engine::Container find(const std::string& name) const {
    for (const auto& c : containers) {
      if (c.name() == name) return c;
    }
    throw Error(ErrorCode::not_found, "no such container: " + name).with_id("E-CONTAINER-NOT-FOUND");
  }
  void note(const std::string& what, const std::string& name, bool known = true) {
    if (known) find(name);
    calls.push_back(what + " " + name);
  }
};

/// The command line with the fake engine behind it.
class Cli {
 public:
  Cli() : context(true) {
    auto made = std::make_unique<FakeEngine>();
    engine = made.get();
    // std::function wants something that can be copied.
    auto held = std::make_shared<std::unique_ptr<FakeEngine>>(std::move(made));
    context.make_engine = [held](const GlobalOptions&) { return std::move(*held); };
    context.global.dev = true;  // the tests need no root
  }

  int run(std::vector<std::string> words) {
    std::size_t out_before = context.out.text().size();
    std::size_t err_before = context.err.text().size();
    int code = cli::run(context, words);
    out = context.out.text().substr(out_before);
    err = context.err.text().substr(err_before);
    return code;
  }

  Context context;
  FakeEngine* engine;
  std::string out, err;
};

}  // namespace servin::cli
