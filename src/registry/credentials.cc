// SPDX-License-Identifier: Apache-2.0
#include "registry/credentials.h"

#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/error.h"
#include "base/strings.h"
#include "os/file.h"
#include "os/process.h"

extern char** environ;

namespace servin::registry {

namespace {

using Json = nlohmann::ordered_json;  // the file keeps its order

constexpr std::size_t answer_limit = 1U << 20U;
constexpr std::string_view token_user = "<token>";  // what helpers say when the secret is an identity token

std::string variable(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? "" : text;
}

std::string docker_file() {
  std::string folder = variable("DOCKER_CONFIG");
  return (folder.empty() ? variable("HOME") + "/.docker" : folder) + "/config.json";
}

std::vector<std::string> search_files(const std::string& auth_file) {
  if (!auth_file.empty()) return {auth_file};
  if (std::string file = variable("REGISTRY_AUTH_FILE"); !file.empty()) return {file};
  std::vector<std::string> files;
  if (std::string run = variable("XDG_RUNTIME_DIR"); !run.empty()) {
    files.push_back(run + "/containers/auth.json");
  } else {
    files.push_back(fmt::format("/run/containers/{}/auth.json", ::geteuid()));
  }
  std::string config = variable("XDG_CONFIG_HOME");
  files.push_back((config.empty() ? variable("HOME") + "/.config" : config) + "/containers/auth.json");
  files.push_back(docker_file());
  return files;
}

Error broken(const std::string& path, std::string_view why) {
  return error(ErrorCode::invalid_argument, "{}: {}", path, why)
      .with_id("E-AUTH-FILE")
      .with_hint("correct the file, or remove it and log in again");
}

/// Nothing: there is no such file.
std::optional<Json> read_json(const std::string& path) {
  std::optional<std::string> text;
  try {
    text = read_file(path);
  } catch (const Error& e) {
    throw broken(path, e.message());
  }
  if (!text) return std::nullopt;
  if (trim(*text).empty()) return Json::object();
  Json json = Json::parse(*text, nullptr, false);
  if (!json.is_object()) throw broken(path, "it is no JSON object");
  return json;
}

/// The keys under which a host may stand in a file, the most special first.
std::vector<std::string> keys_for(const std::string& host, const std::string& repository) {
  std::vector<std::string> keys;
  for (std::string path = repository; !path.empty();) {
    keys.push_back(host + "/" + path);
    std::size_t slash = path.rfind('/');
    path = slash == std::string::npos ? "" : path.substr(0, slash);
  }
  keys.push_back(host);
  if (host == "docker.io" || host == "index.docker.io" || host == "registry-1.docker.io")
    for (const char* other : {"https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"})
      keys.emplace_back(other);
  keys.push_back("https://" + host);
  keys.push_back("http://" + host);
  keys.push_back("https://" + host + "/v1/");
  keys.push_back("https://" + host + "/v2/");
  return keys;
}

/// The name that docker gives the host in its files and to helpers.
std::string docker_key(const std::string& host) { return host == "docker.io" ? "https://index.docker.io/v1/" : host; }

std::string string_in(const Json& json, const char* key) {
  auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

Credentials of_entry(const Json& entry, const std::string& path) {
  Credentials c;
  if (!entry.is_object()) throw broken(path, "an entry of \"auths\" is no object");
  c.identity_token = string_in(entry, "identitytoken");
  c.registry_token = string_in(entry, "registrytoken");
  c.user = string_in(entry, "username");
  c.password = string_in(entry, "password");
  if (std::string auth = string_in(entry, "auth"); !auth.empty()) {
    auto plain = from_base64(auth);
    auto parts = plain ? split_once(*plain, ':') : std::nullopt;
    if (!parts) throw broken(path, "an \"auth\" is not base64 of USER:PASSWORD");
    c.user = parts->first;
    c.password = parts->second;
    while (c.password.ends_with('\0')) c.password.pop_back();
  }
  return c;
}

std::string find_program(const std::string& name) {
  for (const std::string& folder : split(variable("PATH"), ':'))
    if (!folder.empty() && ::access((folder + "/" + name).c_str(), X_OK) == 0) return folder + "/" + name;
  throw error(ErrorCode::failed_precondition, "the credential helper {} is not installed", name)
      .with_id("E-CREDENTIAL-HELPER")
      .with_hint("install it, or take it out of config.json (credsStore, credHelpers)");
}

struct HelperAnswer {
  bool good = false;
  std::string text;
};

Error helper_error(const std::string& name, std::string_view what) {
  return error(ErrorCode::failed_precondition, "the credential helper docker-credential-{} {}", name, what)
      .with_id("E-CREDENTIAL-HELPER");
}

/// docker-credential-NAME get|store|erase: what it needs comes on stdin, what it says on stdout.
HelperAnswer ask_helper(const std::string& name, const std::string& verb, const std::string& input) {
  if (name.empty() || name.find('/') != std::string::npos)
    throw broken("config.json", "a credential helper's name is malformed");
  Fd in = make_memfd("credentials", input, false);
  Pipe out = make_pipe();
  SpawnOptions options;
  options.program = find_program("docker-credential-" + name);
  options.args = {"docker-credential-" + name, verb};
  for (char** e = environ; *e != nullptr; ++e) options.env.emplace_back(*e);
  Fd err(::fcntl(2, F_DUPFD_CLOEXEC, 3));
  options.fds = {{&in, 0}, {&out.write, 1}};
  if (err) options.fds.emplace_back(&err, 2);
  pid_t pid = spawn(options);
  out.write.reset();
  HelperAnswer answer;
  std::optional<Error> problem;
  try {
    answer.text = read_all(out.read, answer_limit, "its answer");
  } catch (const Error& e) {
    problem = helper_error(name, "failed: " + e.message());
  }
  out.read.reset();  // who goes on writing ends by that
  answer.good = wait_child(pid).code == 0;
  if (problem) throw Error(*problem);
  return answer;
}

Credentials from_helper(const std::string& name, const std::string& host) {
  HelperAnswer answer = ask_helper(name, "get", docker_key(host) + "\n");
  if (!answer.good) {
    if (lower(answer.text).find("not found") != std::string::npos) return {};
    throw helper_error(name, "failed: " + printable(trim(answer.text).substr(0, 200)))
        .with_hint("try it by hand: echo HOST | docker-credential-" + name + " get");
  }
  Json json = Json::parse(answer.text, nullptr, false);
  if (!json.is_object()) throw helper_error(name, "did not answer with a JSON object");
  Credentials c;
  c.user = string_in(json, "Username");
  c.password = string_in(json, "Secret");
  if (c.user == token_user) {
    c.identity_token = c.password;
    c.user.clear();
    c.password.clear();
  }
  return c;
}

std::string helper_for(const Json& json, const std::string& host) {
  if (auto helpers = json.find("credHelpers"); helpers != json.end() && helpers->is_object())
    for (const std::string& key : keys_for(host, ""))
      if (std::string name = string_in(*helpers, key.c_str()); !name.empty()) return name;
  return string_in(json, "credsStore");
}

Credentials in_file(const std::string& path, const std::string& host, const std::string& repository) {
  auto json = read_json(path);
  if (!json) return {};
  if (std::string helper = helper_for(*json, host); !helper.empty())
    if (Credentials c = from_helper(helper, host); !c.empty()) return c;
  auto auths = json->find("auths");
  if (auths == json->end() || !auths->is_object()) return {};
  for (const std::string& key : keys_for(host, repository))
    if (auto entry = auths->find(key); entry != auths->end())
      if (Credentials c = of_entry(*entry, path); !c.empty()) return c;
  return {};
}

void save(const std::string& path, const Json& json) {
  make_dirs(path.substr(0, path.rfind('/')));
  write_file(path, json.dump(1, '\t') + "\n", 0600, Sync::yes);
}

}  // namespace

Credentials find_credentials(const std::string& host, const std::string& repository, const std::string& auth_file) {
  for (const std::string& path : search_files(auth_file))
    if (Credentials c = in_file(path, host, repository); !c.empty()) return c;
  return {};
}

std::string login_file(const std::string& auth_file) {
  if (!auth_file.empty()) return auth_file.find('/') == std::string::npos ? "./" + auth_file : auth_file;
  std::string file = variable("REGISTRY_AUTH_FILE");
  return file.empty() ? docker_file() : file;
}

void store_credentials(const std::string& host, const Credentials& c, const std::string& auth_file) {
  std::string path = login_file(auth_file);
  Json json = read_json(path).value_or(Json::object());
  if (std::string helper = helper_for(json, host); !helper.empty()) {
    if (!valid_utf8(c.user) || !valid_utf8(c.password) || !valid_utf8(c.identity_token))
      throw helper_error(helper, "takes text only, and user or password are not UTF-8")
          .with_hint("take credsStore and credHelpers out of " + path + ", or change the password");
    bool token = !c.identity_token.empty();
    Json secret = {{"ServerURL", docker_key(host)},
                   {"Username", token ? std::string(token_user) : c.user},
                   {"Secret", token ? c.identity_token : c.password}};
    if (HelperAnswer answer = ask_helper(helper, "store", secret.dump()); !answer.good)
      throw helper_error(helper, "did not keep the credentials: " + printable(trim(answer.text).substr(0, 200)));
    json["auths"][docker_key(host)] = Json::object();
  } else {
    Json entry = Json::object();
    entry["auth"] = base64(c.user + ":" + (c.identity_token.empty() ? c.password : ""));
    if (!c.identity_token.empty()) entry["identitytoken"] = c.identity_token;
    json["auths"][docker_key(host)] = std::move(entry);
  }
  save(path, json);
}

bool drop_credentials(const std::string& host, const std::string& auth_file) {
  std::string path = login_file(auth_file);
  auto json = read_json(path);
  if (!json) return false;
  bool dropped = false;
  if (std::string helper = helper_for(*json, host); !helper.empty())
    dropped = ask_helper(helper, "erase", docker_key(host) + "\n").good;
  if (auto auths = json->find("auths"); auths != json->end() && auths->is_object())
    for (const std::string& key : keys_for(host, "")) dropped = auths->erase(key) > 0 || dropped;
  if (dropped) save(path, *json);
  return dropped;
}

}  // namespace servin::registry
