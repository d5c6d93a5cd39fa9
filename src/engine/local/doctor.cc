// SPDX-License-Identifier: Apache-2.0
// doctor: the host, the databases, the store, and what nobody owns any more.
#include <set>

#include "base/strings.h"
#include "engine/local/doctor_host.h"
#include "engine/local/doctor_strays.h"
#include "engine/local/local.h"
#include "image/scratch.h"
#include "image/verify.h"

namespace servin::engine {
namespace {

using Result = DoctorCheck::Result;

// SQLite's own look at every page.
void check_database(std::vector<DoctorCheck>& checks, const std::string& name, const std::string& path, bool durable) {
  if (!path_exists(path)) return checks.push_back({name, Result::ok, "not made yet", ""});
  try {
    state::Connection db(path, durable);
    state::Statement check(db, "PRAGMA quick_check(1)");
    std::string answer = check.step() ? check.text(0) : "no answer";
    bool good = answer == "ok";
    checks.push_back({name, good ? Result::ok : Result::failed, good ? "whole" : path + ": " + answer,
                      good ? "" : "restore it from a backup, or move it away: mv " + path + " " + path + ".damaged"});
  } catch (const Error& e) {
    checks.push_back({name, Result::failed, e.message(), e.hint()});
  }
}

}  // namespace

void LocalEngine::check_store(std::vector<DoctorCheck>& checks, bool repair) {
  auto verified = image::verify(images_, repair, {});
  for (const auto& finding : verified.findings) {
    checks.push_back({finding.object, finding.repaired ? Result::warning : Result::failed,
                      finding.detail + (finding.repaired ? " (repaired)" : ""), finding.fix});
  }
  checks.push_back(
      {"images", Result::ok,
       fmt::format("{} images, {} layers and {} blobs were read", verified.images, verified.layers, verified.blobs),
       ""});
}

// Folders of containers and volumes without a record. Only an engine that was killed at a bad moment leaves some; they
// hold disk space and nothing else.
void LocalEngine::check_leftovers(std::vector<DoctorCheck>& checks, bool repair) {
  // Listed before the records are read: a record is claimed before its folders are made.
  auto stored = list_dir(paths_.root + "/containers");
  auto running = list_dir(paths_.run + "/containers");
  std::set<std::string> known;
  for (auto& id : db_.container_ids()) known.insert(std::move(id));
  std::size_t found = 0;
  for (const auto& id : running) {
    if (known.count(id) > 0) continue;
    auto status = shim::read_status(run_dir(id));
    if (status && is_alive(status->shim)) {
      // After the end it clears the container away at this very moment.
      bool over = status->phase == shim::Phase::exited || status->phase == shim::Phase::failed;
      if (!over)
        checks.push_back({"container " + id.substr(0, 12), Result::failed, "runs without a record",
                          fmt::format("kill {}", status->shim.pid)});
      known.insert(id);
      continue;
    }
    ++found;
    if (repair) drop_orphan(id);
  }
  for (const auto& id : stored) {
    if (known.count(id) > 0) continue;
    ++found;
    if (repair) snapshotter_.discard(id);
  }
  std::set<std::string> volumes;
  for (const auto& row : db_.volumes()) volumes.insert(row.name);
  for (const auto& name : list_dir(paths_.volumes())) {
    if (volumes.count(name) > 0) continue;
    ++found;
    if (repair) drop_volume(name);
  }
  if (repair) sweep();
  bool left = found > 0 && !repair;
  checks.push_back(
      {"leftovers", left ? Result::warning : Result::ok,
       found == 0 ? "none" : fmt::format("{} folders without a record{}", found, repair ? " (removed)" : ""),
       left ? "servin system doctor --repair" : ""});
}

void LocalEngine::check_strays(std::vector<DoctorCheck>& checks, bool repair) {
  auto is_known = [&](const std::string& id) { return db_.container(id) || path_exists(run_dir(id)); };
  checks.push_back(judge_strays("stray control groups", stray_cgroups(paths_, is_known), repair));
  auto is_volume = [&](const std::string& name) { return db_.volume(name).has_value(); };
  checks.push_back(judge_strays("stray mounts", stray_mounts(paths_, is_volume), repair));
  std::vector<Stray> links;
  for (const auto& link : networks_.strays())
    links.push_back({link.name, "ip link delete " + link.name, [this, link] { networks_.remove_link(link.index); }});
  checks.push_back(judge_strays("stray links", links, repair));

  std::uint64_t garbage = images_.collect_garbage(!repair);
  bool unused = garbage > 0 && !repair, trash = image::needs_sweeping(paths_);
  checks.push_back({"unused layers", unused ? Result::warning : Result::ok,
                    garbage == 0 ? "none"
                                 : fmt::format("{} of blobs and layers that no image needs{}", human_size(garbage),
                                               repair ? " (removed)" : ""),
                    unused ? "servin system doctor --repair" : ""});
  if (trash && repair) sweep_all();
  trash = trash && !repair;
  checks.push_back({"trash", trash ? Result::warning : Result::ok,
                    trash ? paths_.trash() + " or " + paths_.tmp() + " holds what a killed command left" : "none",
                    trash ? "servin system doctor --repair" : ""});
}

std::vector<DoctorCheck> LocalEngine::doctor(bool verify, bool repair) {
  sweeps_ = true;  // a look changes nothing, also not by a sweeper; --repair sweeps here
  std::vector<DoctorCheck> checks = check_host(paths_);
  check_database(checks, "servin.db", paths_.db(), true);
  check_database(checks, "run.db", paths_.run_db(), false);
  try {
    ContainerFilter all;
    all.all = true;
    std::size_t broken = 0;
    for (const auto& row : db_.containers()) {
      try {
        load_container(row);
      } catch (const Error& e) {
        ++broken;
        checks.push_back({"container " + row.name, Result::failed, e.message(), e.hint()});
      }
    }
    checks.push_back({"containers", Result::ok, fmt::format("{} records, {} damaged", list(all).size(), broken), ""});
    // Mounts come off before the folders in which they are go.
    check_strays(checks, repair);
    check_leftovers(checks, repair);
    if (verify || repair) check_store(checks, repair);
  } catch (const Error& e) {
    checks.push_back({"store", Result::failed, e.message(), e.hint()});
  }
  return checks;
}

}  // namespace servin::engine
