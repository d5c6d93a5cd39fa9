// SPDX-License-Identifier: Apache-2.0
#include "transfer/operations.h"

#include <cerrno>
#include <set>
#include <unistd.h>

#include "base/strings.h"
#include "transfer/url.h"

namespace servin::transfer {

namespace {

constexpr std::string_view manifest_types =
    "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
constexpr std::size_t manifest_limit = 4U << 20U;
constexpr std::size_t max_referrers = 100;  // more are not kept
constexpr std::size_t max_tags = 100'000;
constexpr std::size_t max_pages = 1000;

std::string text_of(const Work& work, const char* key) { return work.request.at(key).get<std::string>(); }
std::uint64_t number_of(const Work& work, const char* key) { return work.request.at(key).get<std::uint64_t>(); }

std::string pull_scope(const std::string& repository) { return "repository:" + repository + ":pull"; }
std::string push_scope(const std::string& repository) { return "repository:" + repository + ":pull,push"; }

Error lies(const Work& work, std::string_view what) { return lies(work.endpoint.config(), what); }

/// "application/json; charset=utf-8" without what follows the semicolon.
std::string media_type(const HttpResponse& response) {
  return lower(trim(response.header("content-type").substr(0, response.header("content-type").find(';'))));
}

HttpResponse get(Work& work, const std::string& path, const std::string& scope, std::vector<std::string> headers = {}) {
  HttpRequest request;
  request.url = path;
  request.headers = std::move(headers);
  request.text_limit = manifest_limit;
  return work.endpoint.exchange_patiently(work.session, request,
                                          scope.empty() ? std::vector<std::string>{} : std::vector{scope});
}

Json fetch_manifest(Work& work) {
  std::string repository = text_of(work, "repository"), reference = text_of(work, "reference");
  std::string what = fmt::format("{}{}{}", repository, reference.starts_with("sha256:") ? "@" : ":", reference);
  HttpResponse response =
      get(work, "/v2/" + repository + "/manifests/" + reference, pull_scope(repository), {std::string(manifest_types)});
  if (response.status != 200) throw status_error(work.endpoint.config(), response, what);
  std::string type = media_type(response);
  if (type == "application/vnd.docker.distribution.manifest.v1+json" ||
      type == "application/vnd.docker.distribution.manifest.v1+prettyjws")
    throw error(ErrorCode::unsupported, "{}: the registry has it in docker's format of before 2016 (schema 1) only",
                what)
        .with_id("E-REGISTRY-SCHEMA1")
        .with_hint("push it again with a newer tool");
  write_all(work.fd, response.text, "the manifest's descriptor");
  return {{"type", type},
          {"digest", response.header("docker-content-digest").substr(0, 100)},
          {"size", response.text.size()}};
}

/// Writes a blob into a pipe, from an offset on, through broken connections.
class BlobFetch {
 public:
  explicit BlobFetch(Work& work)
      : work_(work),
        repository_(text_of(work, "repository")),
        digest_(text_of(work, "digest")),
        size_(number_of(work, "size")),
        at_(number_of(work, "offset")) {}

  void run() {
    for (std::uint32_t failures = 1; at_ < size_; ++failures) {
      std::uint64_t before = at_;
      try {
        HttpResponse response = attempt();
        if (at_ == size_) return;
        if (response.status == 200 || response.status == 206) {
          Error shorter = lies(work_, fmt::format("blob {} ends after {} of {} bytes", digest_, at_, size_));
          work_.endpoint.pause(at_ > before ? 1 : failures, std::nullopt, shorter);
        } else if (is_passing(response.status)) {
          work_.endpoint.pause(failures, response.retry_after, status_error(config(), response, "blob " + digest_));
        } else {
          throw status_error(config(), response, "blob " + digest_);
        }
      } catch (const NetworkFailure& failure) {
        if (failure.is_final()) throw;
        // A connection that brought something on is not counted as a failure.
        if (at_ > before && failure.code() != ErrorCode::timeout) failures = 1;
        work_.endpoint.pause(failure.code() == ErrorCode::timeout ? failures + 2 : failures, std::nullopt, failure);
      }
    }
  }

 private:
  const EndpointConfig& config() const { return work_.endpoint.config(); }

  HttpResponse attempt() {
    HttpRequest request;
    request.url = "/v2/" + repository_ + "/blobs/" + digest_;
    request.bulk = true;
    if (at_ > 0) request.headers.push_back(fmt::format("Range: bytes={}-", at_));
    request.on_headers = [this](const HttpResponse& response) { check(response); };
    request.sink = [this](std::string_view bytes) { return take(bytes); };
    return work_.endpoint.exchange(work_.session, request, {pull_scope(repository_)});
  }

  void check(const HttpResponse& response) {
    if (response.status != 200 && response.status != 206) return;
    // A registry that does not know Range sends everything: what we have is passed over.
    skip_ = response.status == 200 ? at_ : 0;
    std::uint64_t expected = response.status == 200 ? size_ : size_ - at_;
    if (response.status == 206 && !response.header("content-range").starts_with(fmt::format("bytes {}-", at_)))
      throw lies(work_, fmt::format("blob {}: another part was sent than was asked for", digest_));
    auto length = parse_u64(response.header("content-length"));
    if (length && *length != expected)
      throw lies(work_, fmt::format("blob {} should have {} bytes, but {} were announced", digest_, size_,
                                    *length + (size_ - expected)));
  }

  bool take(std::string_view bytes) {
    std::uint64_t passed = std::min<std::uint64_t>(skip_, bytes.size());
    skip_ -= passed;
    bytes.remove_prefix(passed);
    if (bytes.size() > size_ - at_)
      throw lies(work_, fmt::format("blob {} has more than its {} bytes", digest_, size_));
    while (!bytes.empty()) {
      ssize_t n = ::write(work_.fd.get(), bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw Error(ErrorCode::cancelled, "the engine wants no more of it");
      at_ += static_cast<std::uint64_t>(n);
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  Work& work_;
  std::string repository_, digest_;
  std::uint64_t size_, at_;
  std::uint64_t skip_ = 0;
};

Json fetch_blob(Work& work) {
  BlobFetch(work).run();
  return Json::object();
}

bool has_blob(Work& work, const std::string& repository, const std::string& digest) {
  HttpRequest request;
  request.method = "HEAD";
  request.url = "/v2/" + repository + "/blobs/" + digest;
  HttpResponse response = work.endpoint.exchange_patiently(work.session, request, {push_scope(repository)});
  if (response.status == 200) return true;
  if (response.status == 404) return false;
  throw status_error(work.endpoint.config(), response, "blob " + digest);
}

/// Where to upload to; empty when the blob could be mounted from another repository.
std::string begin_upload(Work& work, const std::string& repository, const std::string& digest,
                         const std::string& from) {
  HttpRequest request;
  request.method = "POST";
  request.url = "/v2/" + repository + "/blobs/uploads/";
  std::vector<std::string> scopes = {push_scope(repository)};
  if (!from.empty()) {
    request.url += "?mount=" + digest + "&from=" + url_escape(from);
    scopes.push_back(pull_scope(from));
  }
  HttpResponse response = work.endpoint.exchange_patiently(work.session, request, scopes);
  if (response.status == 201 && !from.empty()) return "";
  if (response.status != 202 && response.status != 201)
    throw status_error(work.endpoint.config(), response, "a push to " + repository);
  std::string location = response.header("location");
  if (location.empty()) throw lies(work, "the answer to an upload says no place");
  return location;
}

std::string with_digest(const std::string& location, const std::string& digest) {
  return location + (location.find('?') == std::string::npos ? "?" : "&") + "digest=" + url_escape(digest);
}

Json upload(Work& work) {
  std::string repository = text_of(work, "repository"), digest = text_of(work, "digest");
  if (has_blob(work, repository, digest)) return {{"status", "exists"}};
  std::string place;
  bool begun = false;
  for (const std::string& from : work.request.at("from").get<std::vector<std::string>>()) {
    try {
      place = begin_upload(work, repository, digest, from);
    } catch (const Error& e) {
      // No right to read the other repository is no reason not to push.
      if (e.code() != ErrorCode::permission_denied) throw;
      continue;
    }
    if (place.empty()) return {{"status", "mounted"}};
    begun = true;
    break;
  }
  for (std::uint32_t number = 1;; ++number) {
    if (!begun) place = begin_upload(work, repository, digest, "");
    begun = false;
    HttpRequest request;
    request.method = "PUT";
    request.url = with_digest(place, digest);
    request.headers = {"Content-Type: application/octet-stream"};
    request.body_file = &work.fd;
    request.body_size = number_of(work, "size");
    request.bulk = true;
    request.on_sent = work.progress;
    try {
      HttpResponse response = work.endpoint.exchange(work.session, request, {push_scope(repository)});
      if (response.status == 201 || response.status == 204) return {{"status", "uploaded"}};
      if (!is_passing(response.status)) throw status_error(work.endpoint.config(), response, "blob " + digest);
      work.endpoint.pause(number, response.retry_after,
                          status_error(work.endpoint.config(), response, "blob " + digest));
    } catch (const NetworkFailure& failure) {
      if (failure.is_final()) throw;
      work.endpoint.pause(number, std::nullopt, failure);
    }
  }
}

Json put_manifest(Work& work) {
  std::string repository = text_of(work, "repository"), reference = text_of(work, "reference");
  HttpRequest request;
  request.method = "PUT";
  request.url = "/v2/" + repository + "/manifests/" + reference;
  request.headers = {"Content-Type: " + text_of(work, "type")};
  request.body = read_all(work.fd, manifest_limit, "the manifest");
  HttpResponse response = work.endpoint.exchange_patiently(work.session, request, {push_scope(repository)});
  if (response.status != 201 && response.status != 200 && response.status != 202)
    throw status_error(work.endpoint.config(), response, fmt::format("manifest {} of {}", reference, repository));
  return {{"digest", response.header("docker-content-digest").substr(0, 100)},
          {"subject", response.header("oci-subject").substr(0, 100)}};
}

/// The next page: Link: </v2/x/tags/list?last=y&n=100>; rel="next".
std::string next_page(const HttpResponse& response) {
  const std::string& link = response.header("link");
  std::size_t open = link.find('<'), close = link.find('>');
  if (open == std::string::npos || close == std::string::npos || close < open) return "";
  return link.substr(open + 1, close - open - 1);
}

std::vector<std::string> paged_list(Work& work, std::string path, const std::string& scope, const char* key,
                                    std::string_view what) {
  std::vector<std::string> names;
  std::set<std::string> pages;
  while (!path.empty()) {
    if (!pages.insert(path).second || pages.size() > max_pages)
      throw lies(work, fmt::format("{}: the list has no end", what));
    HttpResponse response = get(work, path, scope);
    if (response.status != 200) throw status_error(work.endpoint.config(), response, what);
    Json json = Json::parse(response.text, nullptr, false);
    if (!json.is_object()) throw lies(work, fmt::format("{}: the answer is no JSON object", what));
    auto list = json.find(key);
    if (list != json.end() && list->is_array())
      for (const Json& name : *list)
        if (name.is_string() && name.get<std::string>().size() <= 256) names.push_back(name.get<std::string>());
    if (names.size() > max_tags) throw lies(work, fmt::format("{}: more than {} names", what, max_tags));
    path = next_page(response);
  }
  return names;
}

Json tags(Work& work) {
  std::string repository = text_of(work, "repository");
  return {{"tags", paged_list(work, "/v2/" + repository + "/tags/list", pull_scope(repository), "tags",
                              "the tags of " + repository)}};
}

constexpr std::string_view index_type = "application/vnd.oci.image.index.v1+json";

/// Adds the entries of a list of referrers. False: the answer is none.
bool add_referrers(const HttpResponse& response, Json& list) {
  if (response.status != 200 || media_type(response) != index_type) return false;
  Json json = Json::parse(response.text, nullptr, false);
  if (!json.is_object() || !json.contains("manifests") || !json["manifests"].is_array()) return false;
  for (const Json& entry : json["manifests"]) {
    if (list.size() >= max_referrers) break;
    // Nothing but what the engine reads: whatever else there is may be large and deep.
    Json kept = Json::object();
    for (const char* key : {"mediaType", "digest", "artifactType"})
      if (entry.is_object() && entry.contains(key) && entry[key].is_string() &&
          entry[key].get_ref<const std::string&>().size() <= 256)
        kept[key] = entry[key];
    if (entry.is_object() && entry.contains("size") && entry["size"].is_number_unsigned()) kept["size"] = entry["size"];
    list.push_back(std::move(kept));
  }
  return true;
}

/// What refers to a manifest. A registry that keeps no such list, whatever it says of that, has a tag "sha256-HEX"
/// instead, which clients keep.
Json referrers(Work& work) {
  std::string repository = text_of(work, "repository"), digest = text_of(work, "digest");
  auto ask = [&](const std::string& path) {
    HttpRequest request;
    request.url = path;
    request.headers = {fmt::format("Accept: {}", index_type)};
    request.text_limit = manifest_limit;
    HttpResponse response = work.endpoint.exchange(work.session, request, {pull_scope(repository)});
    // "Not now" is not "there is none".
    if (response.status == 429 || response.status == 503)
      response = work.endpoint.exchange_patiently(work.session, request, {pull_scope(repository)});
    return response;
  };
  Json list = Json::array();
  std::set<std::string> pages;
  HttpResponse response = ask("/v2/" + repository + "/referrers/" + digest);
  bool known = add_referrers(response, list);
  for (std::string path = next_page(response); known && !path.empty(); path = next_page(response)) {
    if (!pages.insert(path).second || pages.size() > max_pages || list.size() >= max_referrers) break;
    response = ask(path);
    if (!add_referrers(response, list)) break;
  }
  if (!known)
    add_referrers(ask("/v2/" + repository + "/manifests/sha256-" + digest.substr(digest.find(':') + 1)), list);
  Json index = {{"schemaVersion", 2}, {"mediaType", index_type}, {"manifests", std::move(list)}};
  if (!index["manifests"].empty())
    write_all(work.fd, index.dump(-1, ' ', false, Json::error_handler_t::replace), "the list's descriptor");
  return Json::object();
}

/// The search of docker's first API, which the Hub and some others still have; else the catalogue.
Json search(Work& work) {
  std::string term = text_of(work, "term");
  std::uint64_t limit = number_of(work, "limit");
  HttpResponse response = get(work, fmt::format("/v1/search?q={}&n={}", url_escape(term), limit), "");
  Json results = Json::array();
  Json json = Json::parse(response.text, nullptr, false);
  if (response.status == 200 && json.is_object() && json.contains("results") && json["results"].is_array()) {
    for (const Json& item : json["results"]) {
      if (!item.is_object() || !item.contains("name") || !item["name"].is_string()) continue;
      auto text = [&](const char* key) {
        return item.contains(key) && item[key].is_string() ? item[key].get<std::string>().substr(0, 1000)
                                                           : std::string();
      };
      auto count = item.contains("star_count") && item["star_count"].is_number_unsigned()
                       ? item["star_count"].get<std::uint64_t>()
                       : 0;
      bool official =
          item.contains("is_official") && item["is_official"].is_boolean() && item["is_official"].get<bool>();
      results.push_back(
          {{"name", text("name")}, {"description", text("description")}, {"stars", count}, {"official", official}});
      if (results.size() == limit) break;
    }
    return {{"results", results}};
  }
  for (const std::string& name : paged_list(work, "/v2/_catalog", "registry:catalog:*", "repositories", "a search")) {
    if (name.find(term) == std::string::npos) continue;
    results.push_back({{"name", name}, {"description", ""}, {"stars", 0}, {"official", false}});
    if (results.size() == limit) break;
  }
  return {{"results", results}};
}

Json login(Work& work) { return {{"identity_token", work.endpoint.login(work.session)}}; }

}  // namespace

Json operate(Work& work) {
  std::string op = text_of(work, "op");
  if (op == "manifest") return fetch_manifest(work);
  if (op == "blob") return fetch_blob(work);
  if (op == "upload") return upload(work);
  if (op == "put-manifest") return put_manifest(work);
  if (op == "tags") return tags(work);
  if (op == "referrers") return referrers(work);
  if (op == "search") return search(work);
  if (op == "login") return login(work);
  throw error(ErrorCode::invalid_argument, "servin-transfer: there is no operation \"{}\"", printable(op));
}

}  // namespace servin::transfer
