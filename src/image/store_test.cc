// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "image/built_in.h"
#include "image/lease.h"
#include "image/test_kit.h"

namespace servin::image::testing {
namespace {

const auto nobody = [](const std::string&) { return ImageStore::Users{}; };

class StoreRules : public StoreTest {
 protected:
  void load_named(const std::string& name, const Sample& sample) { load_bytes(tar_of(docker_of({{name, &sample}}))); }
  void add_container(const std::string& name, const std::string& image_id) {
    state::ContainerRow row;
    row.id = new_id();
    row.name = name;
    row.image_id = image_id;
    row.config_json = "{}";
    row.created = now();
    db_->add_container(row);
  }
  Sample a_ = Sample({make_tar({{"a", "1"}}), make_tar({{"x", "a"}})});
  Sample b_ = Sample({make_tar({{"a", "1"}}), make_tar({{"y", "b"}})});
};

TEST_F(StoreRules, ResolvesNamesAndIds) {
  load_named("app:1", a_);
  std::string id = a_.id(), hex = id.substr(7);
  for (const std::string& text : {std::string("app:1"), std::string("docker.io/library/app:1"), id, hex,
                                  hex.substr(0, 12), hex.substr(0, 3), "sha256:" + hex.substr(0, 12)})
    EXPECT_EQ(store_->resolve(text).id, id) << text;
  std::string by_digest = "app@" + store_->resolve("app:1").manifest_digest.str();
  EXPECT_EQ(store_->resolve(by_digest).id, id);
  EXPECT_EQ(error_of([&] { store_->resolve("other@" + oci::Digest::of("x").str()); }), "E-IMAGE-NOT-FOUND");
  EXPECT_EQ(error_of([&] { store_->resolve("app"); }), "E-IMAGE-NOT-FOUND");
  EXPECT_NE(hint_.find("app:1"), std::string::npos) << hint_;
  EXPECT_EQ(error_of([&] { store_->resolve("App"); }), "invalid_argument");
  EXPECT_EQ(error_of([&] { store_->resolve(std::string(64, '0')); }), "E-IMAGE-NOT-FOUND");
  EXPECT_EQ(error_of([&] { store_->resolve("\x1b[31m"); }), "invalid_argument");
  EXPECT_EQ(message_.find('\x1b'), std::string::npos);
}

TEST_F(StoreRules, LocalhostNamesAreFoundShort) {
  load_named("localhost/mine:1", a_);
  EXPECT_EQ(store_->resolve("mine:1").id, a_.id());
  load_named("mine:1", b_);
  EXPECT_EQ(store_->resolve("mine:1").id, b_.id());
}

TEST_F(StoreRules, AmbiguousPrefixes) {
  load_named("app:1", a_);
  load_named("app:2", b_);
  std::string same;
  std::string x = a_.id().substr(7), y = b_.id().substr(7);
  while (x[same.size()] == y[same.size()]) same += x[same.size()];
  if (same.empty()) return;  // nothing in common
  EXPECT_EQ(error_of([&] { store_->resolve(same); }), "E-IMAGE-AMBIGUOUS");
}

TEST_F(StoreRules, TheBuiltInImageIsThere) {
  Image image = store_->resolve("base");
  EXPECT_EQ(image.references, std::vector<std::string>{std::string(built_in_reference)});
  EXPECT_EQ(image.config.cmd, std::vector<std::string>{"sh"});
  EXPECT_EQ(content("base", "etc/passwd").substr(0, 5), "root:");
  std::string root = layers_->path(image.chain[0]) + "/fs";
  EXPECT_TRUE(path_exists(root + "/bin/httpd"));
  EXPECT_TRUE(path_exists(root + "/bin/sh"));
  EXPECT_TRUE(path_exists(root + "/var/www"));
  EXPECT_FALSE(path_exists(root + "/bin/no-such-applet"));
  EXPECT_EQ(store_->resolve("localhost/servin/base").id, image.id);
  // The same bytes in another root.
  Paths other = default_paths(base_ + "/other");
  state::Database db(other);
  FolderLayers layers(other);
  ImageStore store(other, db, layers);
  EXPECT_EQ(store.resolve("base:latest").manifest_digest, image.manifest_digest);
  // It can go, and comes back.
  store_->remove("base", false, nobody);
  EXPECT_TRUE(store_->list().empty());
  EXPECT_EQ(store_->resolve("base").id, image.id);
}

TEST_F(StoreRules, Templates) {
  EXPECT_EQ(store_->templates().at(0).name, "base");
  EXPECT_EQ(store_->create_template("base", "mine:1").id, store_->resolve("base").id);
  EXPECT_EQ(store_->resolve("mine:1").id, store_->resolve("base").id);
  EXPECT_EQ(error_of([&] { store_->create_template("toaster", "x"); }), "E-TEMPLATE-NOT-FOUND");
}

TEST_F(StoreRules, History) {
  Sample sample = a_;
  oci::HistoryEntry empty, second;
  empty.created_by = "ENV x";
  empty.empty_layer = true;
  second.created_by = "COPY y";
  sample.config.history = {empty, second};
  load_named("app:1", sample);
  auto lines = store_->history(store_->resolve("app:1"));
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0].created_by, "<missing>");
  EXPECT_TRUE(lines[1].empty_layer);
  EXPECT_EQ(lines[2].created_by, "COPY y");
  EXPECT_EQ(lines[2].size, 1U);
}

TEST_F(StoreRules, RemovesByDockersRules) {
  load_named("app:1", a_);
  store_->tag("app:1", "app:2");
  // One name of several.
  auto removed = store_->remove("app:2", false, nobody);
  EXPECT_EQ(removed.untagged, std::vector<std::string>{"docker.io/library/app:2"});
  EXPECT_TRUE(removed.deleted.empty());
  // An id with several names.
  store_->tag("app:1", "app:2");
  EXPECT_EQ(error_of([&] { store_->remove(a_.id(), false, nobody); }), "E-IMAGE-IN-USE");
  removed = store_->remove(a_.id(), true, nobody);
  EXPECT_EQ(removed.untagged.size(), 2U);
  EXPECT_EQ(removed.deleted, std::vector<std::string>{a_.id()});
  EXPECT_TRUE(list_dir(paths_.blobs()).empty());
  EXPECT_TRUE(layers_->list().empty());
  EXPECT_EQ(error_of([&] { store_->remove("app:1", false, nobody); }), "E-IMAGE-NOT-FOUND");
}

TEST_F(StoreRules, SharedLayersStay) {
  load_named("app:1", a_);
  load_named("app:2", b_);
  EXPECT_EQ(layers_->list().size(), 3U);
  store_->remove("app:1", false, nobody);
  EXPECT_EQ(layers_->list().size(), 2U);
  EXPECT_EQ(content("app:2", "a"), "1");
  EXPECT_EQ(content("app:2", "y"), "b");
}

TEST_F(StoreRules, RunningContainersKeepTheirImage) {
  load_named("app:1", a_);
  add_container("web", a_.id());
  auto running = [](const std::string&) { return ImageStore::Users{{"web"}, {}}; };
  EXPECT_EQ(error_of([&] { store_->remove("app:1", false, running); }), "E-IMAGE-IN-USE");
  EXPECT_NE(message_.find("web"), std::string::npos);
  EXPECT_EQ(error_of([&] { store_->remove(a_.id(), true, running); }), "E-IMAGE-IN-USE");
  auto removed = store_->remove("app:1", true, running);
  EXPECT_EQ(removed.untagged.size(), 1U);
  EXPECT_TRUE(removed.deleted.empty());
  EXPECT_EQ(layers_->list().size(), 2U);
  EXPECT_EQ(store_->resolve(a_.id()).references.size(), 0U);
}

TEST_F(StoreRules, StoppedContainersKeepTheLayersOnly) {
  load_named("app:1", a_);
  add_container("web", a_.id());
  auto stopped = [](const std::string&) { return ImageStore::Users{{}, {"web"}}; };
  std::vector<std::string> needed = split(db_->image(a_.id())->chain_ids, ' ');
  store_->keep_used([&](const std::set<std::string>& images) {
    return images.contains(a_.id()) ? std::vector<std::string>() : needed;
  });
  EXPECT_EQ(error_of([&] { store_->remove("app:1", false, stopped); }), "E-IMAGE-IN-USE");
  auto removed = store_->remove("app:1", true, stopped);
  EXPECT_EQ(removed.deleted.size(), 1U);
  EXPECT_EQ(error_of([&] { store_->resolve(a_.id()); }), "E-IMAGE-NOT-FOUND");
  EXPECT_EQ(layers_->list().size(), 2U);
  EXPECT_TRUE(list_dir(paths_.blobs()).empty());
  needed.clear();
  store_->collect_garbage(false);
  EXPECT_TRUE(layers_->list().empty());
}

TEST_F(StoreRules, Prune) {
  load_named("app:1", a_);
  load_named("app:2", b_);
  add_container("web", b_.id());
  auto all = [](const Image&) { return true; };
  auto plan = store_->prune(all, true);
  EXPECT_EQ(plan.deleted, std::vector<std::string>{a_.id()});
  EXPECT_GT(plan.reclaimed, 0U);
  EXPECT_EQ(db_->images().size(), 2U);
  EXPECT_EQ(layers_->list().size(), 3U);
  auto done = store_->prune(all, false);
  EXPECT_EQ(done.deleted, plan.deleted);
  EXPECT_EQ(done.reclaimed, plan.reclaimed);
  EXPECT_EQ(db_->images().size(), 1U);
  EXPECT_EQ(layers_->list().size(), 2U);
}

TEST_F(StoreRules, GarbageIsWhatNobodyNeeds) {
  load_named("app:1", a_);
  std::string orphan = oci::Digest::of("orphan").hex(), wanted = oci::Digest::of("wanted").hex();
  make_dirs(paths_.blobs());
  write_file(paths_.blob(orphan), "12345");
  write_file(paths_.blob(wanted), "12345");
  make_dirs(paths_.snapshots() + "/" + orphan + "/fs");
  make_dirs(paths_.snapshots() + "/" + wanted + "/fs");
  {
    Lease lease(paths_);
    lease.claim({wanted});
    EXPECT_EQ(store_->collect_garbage(true), 5U);
    EXPECT_TRUE(path_exists(paths_.blob(orphan)));
    EXPECT_EQ(store_->collect_garbage(false), 5U);
    EXPECT_FALSE(path_exists(paths_.blob(orphan)));
    EXPECT_TRUE(path_exists(paths_.blob(wanted)));
    EXPECT_EQ(layers_->list().size(), 3U);
  }
  store_->collect_garbage(false);
  EXPECT_FALSE(path_exists(paths_.blob(wanted)));
  EXPECT_EQ(content("app:1", "a"), "1");
}

TEST_F(StoreRules, SweepTakesWhatKilledProcessesLeft) {
  // Nobody has this pid with this start time.
  std::string dead = paths_.tmp() + "/" + std::to_string(::getpid()) + "-1-abcdef";
  make_dirs(dead + "/layer/fs");
  write_file(dead + "/blob-0", "x");
  make_dirs(paths_.blobs());
  write_file(paths_.blob(oci::Digest::of("half renamed").hex()), "x");
  Scratch alive(paths_);
  write_file(alive.path() + "/mine", "x");
  make_dirs(paths_.tmp() + "/not-ours");
  store_->sweep();
  EXPECT_FALSE(path_exists(dead));
  EXPECT_TRUE(list_dir(paths_.blobs()).empty());
  EXPECT_TRUE(path_exists(alive.path() + "/mine"));
  EXPECT_TRUE(path_exists(paths_.tmp() + "/not-ours"));
}

TEST_F(StoreRules, TrashThatComesWhileItIsEmptiedGoesToo) {
  int rounds = 0;
  auto put = [&] {
    write_file(paths_.root + "/thing", "x");
    move_to_trash(paths_, paths_.root + "/thing");
  };
  put();
  // As many as have just gone come anew: their own sweeper has found this one at work and left.
  sweep_trash(paths_, [&] {
    for (const std::string& name : list_dir(paths_.trash())) remove_tree(paths_.trash() + "/" + name);
    if (++rounds <= 3) put();
  });
  EXPECT_TRUE(list_dir(paths_.trash()).empty());
  EXPECT_EQ(rounds, 4);
}

TEST_F(StoreRules, TrashThatCannotGoIsNoReasonToGoOn) {
  write_file(paths_.root + "/thing", "x");
  move_to_trash(paths_, paths_.root + "/thing");
  int rounds = 0;
  sweep_trash(paths_, [&] { ++rounds; });
  EXPECT_EQ(rounds, 2);
}

TEST_F(StoreRules, KnowsWhatAKilledSweeperLeft) {
  EXPECT_FALSE(needs_sweeping(paths_));
  std::string dead = paths_.tmp() + "/" + std::to_string(::getpid()) + "-1-abcdef";
  make_dirs(dead);
  EXPECT_TRUE(needs_sweeping(paths_));
  move_to_trash(paths_, dead);
  EXPECT_TRUE(needs_sweeping(paths_));
  auto held = FileLock::try_acquire(paths_.run + "/trash.lock");
  EXPECT_FALSE(needs_sweeping(paths_)) << "somebody is at it";
  held.reset();
  remove_tree(paths_.run);  // a reboot
  EXPECT_TRUE(needs_sweeping(paths_));
  sweep_trash(paths_, [&] { remove_tree(paths_.trash()); });
  EXPECT_FALSE(needs_sweeping(paths_));
}

TEST_F(StoreRules, ADamagedRowHidesNoOther) {
  load_named("app:1", a_);
  state::ImageRow row;
  row.id = "sha256:" + std::string(64, 'd');
  row.manifest_digest = "nonsense";
  row.manifest_json = row.config_json = "{";
  db_->put_image(row, {"docker.io/library/broken:1"});
  EXPECT_EQ(store_->list().size(), 1U);
  EXPECT_EQ(store_->resolve("app:1").id, a_.id());
  EXPECT_EQ(error_of([&] { store_->resolve("broken:1"); }), "E-IMAGE-DAMAGED");
  // What it needs is not known, so nothing is collected.
  write_file(paths_.blob(oci::Digest::of("orphan").hex()), "x");
  EXPECT_EQ(store_->collect_garbage(false), 0U);
}

}  // namespace
}  // namespace servin::image::testing
