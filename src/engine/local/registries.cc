// SPDX-License-Identifier: Apache-2.0
// pull, push, login, logout, search: this machine's files say where and as whom, servin-transfer talks, the image room
// checks and stores.
#include <cstdlib>
#include <functional>

#include "base/log.h"
#include "base/strings.h"
#include "engine/local/local.h"
#include "image/names.h"
#include "image/pull.h"
#include "image/push.h"
#include "registry/certificates.h"
#include "registry/credentials.h"
#include "registry/names.h"
#include "transfer/client/client.h"

namespace servin::engine {
namespace {

image::ProgressSink forward(const ProgressSink& sink) {
  if (!sink) return {};
  return [&sink](const image::Progress& p) { sink({p.step, p.object, p.done, p.total, p.finished}); };
}

std::string variable(const char* lower_case, const char* upper_case) {
  const char* text = std::getenv(lower_case);
  if (text == nullptr && upper_case != nullptr) text = std::getenv(upper_case);
  return text == nullptr ? "" : text;
}

/// One servin-transfer, and what it has been told of registries.
class Connection {
 public:
  explicit Connection(const RegistryAccess& access) : access_(access) {}

  transfer::Client& client() { return client_; }

  image::RegistryPlace reach(const registry::Place& place, const registry::Credentials* own = nullptr) {
    transfer::Registry r;
    r.host = place.host;
    r.insecure = access_.tls_verify ? !*access_.tls_verify : place.insecure;
    registry::Certificates certificates = registry::read_certificates(place.host, access_.cert_dir);
    r.ca = certificates.ca;
    r.cert = certificates.cert;
    r.key = certificates.key;
    registry::Credentials c = own != nullptr ? *own : credentials(place);
    r.user = c.user;
    r.password = c.password;
    r.identity_token = c.identity_token;
    r.registry_token = c.registry_token;
    r.http_proxy = variable("http_proxy", "HTTP_PROXY");
    r.https_proxy = variable("https_proxy", "HTTPS_PROXY");
    r.no_proxy = variable("no_proxy", "NO_PROXY");
    r.token_servers = variable("SERVIN_TOKEN_SERVERS", nullptr);
    known_ = known_ || !(c.user + c.password + c.identity_token + c.registry_token).empty();
    return {client_.add(r), place.host, place.repository, place.mirror};
  }

  /// Does anybody who was reached since know us by credentials?
  void forget_who_knows_us() { known_ = false; }
  bool known() const { return known_; }

 private:
  registry::Credentials credentials(const registry::Place& place) const {
    // --creds are the registry's: a mirror is somebody else.
    if (access_.credentials.empty() || place.mirror)
      return registry::find_credentials(place.host, place.repository, access_.auth_file);
    registry::Credentials c;
    c.user = access_.credentials;
    if (auto parts = split_once(access_.credentials, ':')) {
      c.user = parts->first;
      c.password = parts->second;
    }
    return c;
  }

  const RegistryAccess& access_;
  transfer::Client client_;
  bool known_ = false;
};

void refuse_built_in(const oci::Reference& reference, std::string_view verb) {
  if (reference.registry != "localhost" || reference.repository != "servin/base") return;
  throw error(ErrorCode::invalid_argument, "base is built into servin: there is nothing to {}", verb)
      .with_id("E-IMAGE-BUILT-IN")
      .with_hint("servin tag base REGISTRY/NAME gives it a name that a registry can have");
}

std::vector<image::RegistryPlace> reach_all(Connection& connection, const oci::Reference& reference,
                                            const registry::NameRules& rules) {
  std::vector<image::RegistryPlace> places;
  for (const registry::Place& place : registry::places_of(reference, rules)) places.push_back(connection.reach(place));
  return places;
}

bool is_tag(const std::string& text) {
  try {
    oci::Reference name = oci::Reference::parse("x:" + text);
    return name.tag == text && name.digest.empty();
  } catch (const Error&) {
    return false;
  }
}

std::vector<std::string> tags_at(Connection& connection, const image::RegistryPlace& place) {
  transfer::Client::Request request;
  request.endpoint = place.endpoint;
  request.op = "tags";
  request.text = {{"repository", place.repository}};
  auto answer = connection.client().call(request);
  std::vector<std::string> tags = answer.lists["tags"];
  for (const std::string& tag : tags)
    if (!is_tag(tag))
      throw error(ErrorCode::data_loss, "registry {}: \"{}\" of {} can be no tag", place.host,
                  printable(std::string_view(tag).substr(0, 100)), place.repository)
          .with_id("E-REGISTRY-LIES")
          .with_hint("pull the tags that you need by their names");
  if (tags.empty())
    throw error(ErrorCode::not_found, "registry {} has no tags of {}", place.host, place.repository)
        .with_id("E-REGISTRY-NOT-FOUND")
        .with_hint("check the name");
  return tags;
}

/// `found` hears that there is one, `done` of each tag that is here then.
void pull_tags(image::ImageStore& store, Connection& connection, const oci::Reference& reference,
               const registry::NameRules& rules, const PullRequest& request, const ProgressSink& progress,
               const std::function<void()>& found, const std::function<void(const image::Pulled&)>& done) {
  std::vector<image::RegistryPlace> places = reach_all(connection, reference, rules);
  std::vector<std::string> tags = {reference.tag};
  if (request.all_tags) tags = tags_at(connection, places.back());
  if (request.all_tags) found();
  image::PullOptions options;
  options.platform = request.platform;
  options.found = found;
  for (const std::string& tag : tags) {
    oci::Reference one = reference;
    one.tag = tag;
    done(image::pull(store, connection.client(), places, one, options, forward(progress)));
  }
}

std::string registry_of(const std::string& text) {
  std::string host = text.empty() ? "docker.io" : text;
  for (std::string_view scheme : {"https://", "http://"})
    if (host.starts_with(scheme)) host = host.substr(scheme.size());
  host = host.substr(0, host.find('/'));
  if (host == "index.docker.io" || host == "registry-1.docker.io") host = "docker.io";
  return host;
}

}  // namespace

std::vector<PulledImage> LocalEngine::pull(const PullRequest& request, const ProgressSink& progress) {
  registry::NameRules rules = registry::read_name_rules();
  std::vector<oci::Reference> names = registry::candidates(request.image, rules);
  refuse_built_in(names[0], "pull");
  if (names.size() > 1 && rules.enforcing)
    throw registry::unclear(request.image, names, "short-name-mode is \"enforcing\"");
  if (names.size() > 1 && !request.access.credentials.empty())
    throw registry::unclear(request.image, names, "--creds are for one of them only");
  Connection connection(request.access);
  std::vector<PulledImage> pulled;
  auto done = [&](const image::Pulled& one) {
    pulled.push_back({one.id, one.reference, one.digest, one.existed});
    auto name = oci::Reference::parse(one.reference);
    emit("image", "pull", name.familiar(), {{"name", name.familiar_name()}});
  };
  std::vector<std::string> missed;
  for (const oci::Reference& name : names) {
    bool found = false;
    connection.forget_who_knows_us();
    try {
      pull_tags(images_, connection, name, rules, request, progress, [&] { found = true; }, done);
      return pulled;
    } catch (const Error& e) {
      // Only who says that he has no such image is passed over, and to strangers some say that it is forbidden. One who
      // cannot be reached is not, nor one who takes our credentials no more: whoever can bring that about would choose
      // the next registry for us.
      bool stranger = e.id() == "E-REGISTRY-DENIED" && !connection.known();
      bool not_there = !found && (e.id() == "E-REGISTRY-NOT-FOUND" || stranger);
      if (names.size() == 1 || !not_there) throw;
      missed.push_back(e.message());
    }
  }
  throw error(ErrorCode::not_found, "\"{}\" is at none of the registries for short names: {}",
              printable(std::string_view(request.image).substr(0, 200)), join(missed, "; "))
      .with_id("E-REGISTRY-NOT-FOUND")
      .with_hint("check the spelling, or write the full name; unqualified-search-registries lists them");
}

std::string LocalEngine::provide_image(const PullRequest& request, const std::string& when,
                                       const ProgressSink& progress) {
  auto here = [&](const std::string& name) {
    try {
      images_.resolve(name, request.platform);
      return true;
    } catch (const Error& e) {
      if (e.id() != "E-IMAGE-NOT-FOUND" && e.id() != "E-IMAGE-PLATFORM") throw;
      return false;
    }
  };
  std::vector<oci::Reference> names = image::names_of(request.image);
  bool local_only = names.empty() || names[0].registry == "localhost";
  if (local_only || when == "never" || (when == "missing" && here(request.image))) return request.image;
  try {
    return pull(request, progress).at(0).reference;
  } catch (const Error& e) {
    if (when != "missing" ||
        (e.id() != "E-REGISTRY-UNREACHABLE" && e.id() != "E-REGISTRY-NOT-FOUND" && e.id() != "E-REGISTRY-DENIED"))
      throw;
    throw not_pulled(request.image, e);
  }
}

/// Neither here nor there: the likeliest reason is a wrong name, so what resolve() suggests comes first.
Error LocalEngine::not_pulled(const std::string& name, const Error& why) {
  std::string hint = why.hint();
  try {
    images_.resolve(name);
  } catch (const Error& e) {
    if (e.hint().starts_with("did you mean")) hint = e.hint();
  }
  return error(ErrorCode::not_found, "there is no image \"{}\" here, and it cannot be pulled: {}",
               printable(std::string_view(name).substr(0, 200)), why.message())
      .with_id("E-IMAGE-NOT-FOUND")
      .with_hint(hint);
}

std::vector<PushedImage> LocalEngine::push(const PushRequest& request, const ProgressSink& progress) {
  registry::NameRules rules = registry::read_name_rules();
  // A short name is the one that it has here.
  auto meant = [&](const std::string& text) {
    oci::Reference name = registry::full_name(text, rules);
    if (db_.reference(name.str())) return name;
    for (oci::Reference& other : registry::candidates(text, rules))
      if (db_.reference(other.str())) return other;
    return name;
  };
  oci::Reference target = request.target.empty() ? meant(request.image) : registry::full_name(request.target, rules);
  refuse_built_in(target, "push");
  std::vector<std::string> sources = {request.image};
  if (request.all_tags) {
    sources.clear();
    for (const image::Image& image : images_.list())
      for (const std::string& text : image.references) {
        oci::Reference name = oci::Reference::parse(text);
        if (name.registry == target.registry && name.repository == target.repository && !name.tag.empty())
          sources.push_back(text);
      }
  }
  std::vector<std::pair<image::Image, oci::Reference>> todo;
  for (const std::string& source : sources) {
    oci::Reference name = request.target.empty() ? meant(source) : target;
    todo.emplace_back(images_.resolve(source), name);
  }
  if (todo.empty()) images_.resolve(request.image);  // says what is missing
  Connection connection(request.access);
  image::RegistryPlace place = connection.reach(registry::home_of(target, rules));
  std::vector<PushedImage> pushed;
  for (const auto& [image, name] : todo) {
    auto result = image::push(images_, connection.client(), place, image, name, forward(progress));
    pushed.push_back({name.str(), result.digest, result.size, result.uploaded, result.mounted, result.existed});
    emit("image", "push", name.familiar(), {{"name", name.familiar_name()}});
  }
  return pushed;
}

std::string LocalEngine::login(const LoginRequest& request) {
  std::string host = registry_of(request.registry);
  registry::NameRules rules = registry::read_name_rules();
  oci::Reference any;
  any.registry = host;
  any.repository = "x";
  registry::Place place = registry::home_of(any, rules);
  registry::Credentials credentials;
  credentials.user = request.user;
  credentials.password = request.password;
  Connection connection(request.access);
  transfer::Client::Request ask;
  ask.op = "login";
  ask.endpoint = connection.reach(place, &credentials).endpoint;
  credentials.identity_token = connection.client().call(ask).value("identity_token");
  registry::store_credentials(host, credentials, request.access.auth_file);
  return registry::login_file(request.access.auth_file);
}

bool LocalEngine::logout(const std::string& registry, const std::string& auth_file) {
  return registry::drop_credentials(registry_of(registry), auth_file);
}

std::vector<SearchResult> LocalEngine::search(const SearchRequest& request) {
  registry::Place place{"index.docker.io", "", false, false};
  std::string term = request.term;
  if (auto parts = split_once(term, '/');
      parts && (parts->first.find('.') != std::string::npos || parts->first.find(':') != std::string::npos ||
                parts->first == "localhost")) {
    oci::Reference any;
    any.registry = registry_of(parts->first);
    any.repository = "x";
    if (any.registry != "docker.io") place = registry::home_of(any, registry::read_name_rules());
    term = parts->second;
  }
  Connection connection(request.access);
  transfer::Client::Request ask;
  ask.op = "search";
  ask.endpoint = connection.reach(place).endpoint;
  ask.text = {{"term", term}};
  ask.numbers = {{"limit", request.limit}};
  std::vector<SearchResult> results;
  for (auto& found : connection.client().call(ask).found)
    results.push_back({std::move(found.name), std::move(found.description), found.stars, found.official});
  return results;
}

}  // namespace servin::engine
