// SPDX-License-Identifier: Apache-2.0
// pull, push, login, logout, search: images in registries.
#include <array>
#include <cerrno>
#include <unistd.h>

#include "base/error.h"
#include "base/strings.h"
#include "cli/listing.h"
#include "cli/progress.h"
#include "cli/registry.h"
#include "cli/stdio.h"
#include "oci/image.h"
#include "os/fd.h"
#include "os/terminal.h"

namespace servin::cli {
namespace {

constexpr std::size_t max_password = 64U << 10U;

constexpr OptionSpec tls_verify = {.names = "--tls-verify",
                                   .value = "BOOL",
                                   .help = "false: any certificate will do, or none",
                                   .complete = Complete::choice,
                                   .choices = "true|false"};
constexpr OptionSpec creds = {
    .names = "--creds", .value = "USER[:PASSWORD]", .help = "instead of those of servin login"};
constexpr OptionSpec auth_file = {
    .names = "--authfile", .value = "FILE", .help = "credentials ($REGISTRY_AUTH_FILE)", .complete = Complete::file};
constexpr OptionSpec cert_dir = {.names = "--cert-dir",
                                 .value = "DIR",
                                 .help = "*.crt, *.cert and *.key, instead of certs.d/HOST",
                                 .complete = Complete::folder};
constexpr OptionSpec quiet = {.names = "-q,--quiet", .value = "", .help = "no progress"};

engine::RegistryAccess access_of(const Parsed& parsed) {
  engine::RegistryAccess access;
  if (auto word = parsed.value("tls-verify")) access.tls_verify = *word == "true";
  access.credentials = parsed.value_or("creds", "");
  access.auth_file = parsed.value_or("authfile", "");
  access.cert_dir = parsed.value_or("cert-dir", "");
  return access;
}

template <typename F>
auto with_progress(Context& context, const Parsed& parsed, F&& work) {
  auto view = progress_of(context, parsed);
  try {
    auto result = work([&](const engine::Progress& progress) { view->show(progress); });
    view->finish();
    return result;
  } catch (...) {
    view->finish();
    throw;
  }
}

std::string without_transport(const std::string& text) {
  constexpr std::string_view transport = "docker://";
  return text.starts_with(transport) ? text.substr(transport.size()) : text;
}

int pull_handler(Context& context, const Parsed& parsed) {
  for (const std::string& name : parsed.args) {
    engine::PullRequest request;
    request.image = without_transport(name);
    request.platform = parsed.value_or("platform", "");
    if (!request.platform.empty()) oci::Platform::parse(request.platform);
    request.all_tags = parsed.flag("all-tags");
    request.access = access_of(parsed);
    auto pulled = with_progress(context, parsed,
                                [&](const engine::ProgressSink& sink) { return context.engine().pull(request, sink); });
    for (const engine::PulledImage& image : pulled) {
      if (parsed.flag("quiet")) {
        context.out.line(image.reference);
        continue;
      }
      std::string_view news = image.existed ? "Image is up to date for" : "Downloaded newer image for";
      context.out.line("Digest: " + image.digest);
      context.out.line(fmt::format("Status: {} {}", news, oci::Reference::parse(image.reference).familiar()));
      context.out.line(image.reference);
    }
  }
  return 0;
}

int push_handler(Context& context, const Parsed& parsed) {
  engine::PushRequest request;
  request.image = parsed.args[0];
  if (parsed.args.size() > 1) request.target = without_transport(parsed.args[1]);
  request.all_tags = parsed.flag("all-tags");
  request.access = access_of(parsed);
  if (request.all_tags && !request.target.empty()) {
    throw Error(ErrorCode::invalid_argument, "push: --all-tags and a target exclude each other")
        .with_id("E-OPTION-CONFLICT")
        .with_hint("leave one of them out");
  }
  auto pushed = with_progress(context, parsed,
                              [&](const engine::ProgressSink& sink) { return context.engine().push(request, sink); });
  for (const engine::PushedImage& image : pushed) {
    oci::Reference reference = oci::Reference::parse(image.reference);
    if (parsed.flag("quiet")) {
      context.out.line(image.reference);
    } else {
      context.out.line(fmt::format("{}: digest: {} size: {}",
                                   reference.tag.empty() ? reference.familiar() : reference.tag, image.digest,
                                   image.size));
    }
  }
  return 0;
}

/// The first line of stdin; on a terminal nobody sees it.
std::string ask(Context& context, std::string_view question, bool secret) {
  context.out.flush();
  context.err.write(question);
  context.err.flush();
  std::optional<HiddenInput> hidden;
  if (secret) hidden.emplace(0);
  std::string line;
  char c = 0;
  while (line.size() < max_password) {
    ssize_t got = ::read(0, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || c == '\n') break;
    if (secret && c == '\x03') throw Error(ErrorCode::cancelled, "login: given up");
    line += c;
  }
  if (secret) context.err.line("");
  return line;
}

std::string password_of(Context& context, const Parsed& parsed) {
  if (parsed.flag("password-stdin")) {
    std::string text = read_all(copy_of_standard(0), max_password, "stdin");
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    return text;
  }
  if (auto word = parsed.value("password")) {
    context.note("warning: --password is seen by everybody who lists processes; --password-stdin is not");
    return *word;
  }
  if (!context.stdin_terminal) {
    throw Error(ErrorCode::invalid_argument, "login: there is no terminal to ask for the password")
        .with_id("E-NO-TERMINAL")
        .with_hint("servin login -u USER --password-stdin REGISTRY < FILE");
  }
  return ask(context, "Password: ", true);
}

int login_handler(Context& context, const Parsed& parsed) {
  engine::LoginRequest request;
  request.registry = parsed.args.empty() ? "" : parsed.args[0];
  request.access = access_of(parsed);
  request.user = parsed.value_or("username", "");
  if (request.user.empty() && context.stdin_terminal && !parsed.flag("password-stdin"))
    request.user = ask(context, "Username: ", false);
  if (request.user.empty()) {
    throw Error(ErrorCode::invalid_argument, "login: a user is missing")
        .with_id("E-ARGUMENTS")
        .with_hint("servin login -u USER --password-stdin REGISTRY");
  }
  request.password = password_of(context, parsed);
  std::string file = context.engine().login(request);
  context.out.line("Login Succeeded");
  context.note("the credentials are kept in " + file);
  return 0;
}

int logout_handler(Context& context, const Parsed& parsed) {
  std::string registry = parsed.args.empty() ? "docker.io" : parsed.args[0];
  if (!context.engine().logout(registry, parsed.value_or("authfile", ""))) {
    throw error(ErrorCode::not_found, "not logged in to {}", registry)
        .with_id("E-NOT-LOGGED-IN")
        .with_hint("nothing to do; servin login " + registry + " logs in");
  }
  context.out.line("Removed login credentials for " + registry);
  return 0;
}

constexpr auto search_fields = std::to_array<Field>({
    {"Name", "NAME", true},
    {"Description", "DESCRIPTION", true, 1},
    {"StarCount", "STARS", true},
    {"IsOfficial", "OFFICIAL", true},
});

int search_handler(Context& context, const Parsed& parsed) {
  engine::SearchRequest request;
  request.term = parsed.args[0];
  request.access = access_of(parsed);
  if (auto text = parsed.value("limit")) {
    auto number = parse_u64(*text);
    if (!number || *number == 0 || *number > 100) {
      throw error(ErrorCode::invalid_argument, "--limit {}: not a number from 1 to 100", *text)
          .with_id("E-OPTION-VALUE")
          .with_hint("for example --limit 10");
    }
    request.limit = *number;
  }
  Listing listing;
  listing.fields.assign(search_fields.begin(), search_fields.end());
  for (const engine::SearchResult& found : context.engine().search(request)) {
    Row row;
    row.values = {printable(found.name), printable(found.description), fmt::format("{}", found.stars),
                  found.official ? "[OK]" : ""};
    listing.rows.push_back(std::move(row));
  }
  print_listing(context, parsed, listing);
  return 0;
}

constexpr auto progress = std::to_array<OptionSpec>({progress_option});
constexpr auto pull_options = std::to_array<OptionSpec>({
    {.names = "-a,--all-tags", .value = "", .help = "every tag of the repository"},
    {.names = "--platform", .value = "OS/ARCH", .help = "of an image that has several"},
    quiet,
    tls_verify,
    creds,
    auth_file,
    cert_dir,
});
constexpr auto push_options = std::to_array<OptionSpec>({
    {.names = "-a,--all-tags", .value = "", .help = "every tag of the repository that is here"},
    quiet,
    tls_verify,
    creds,
    auth_file,
    cert_dir,
});
constexpr auto login_options = std::to_array<OptionSpec>({
    {.names = "-u,--username", .value = "USER", .help = "instead of asking"},
    {.names = "-p,--password", .value = "PASSWORD", .help = "better: --password-stdin"},
    {.names = "--password-stdin", .value = "", .help = "the password (or token) is read from stdin"},
    tls_verify,
    auth_file,
    cert_dir,
});
constexpr auto logout_options = std::to_array<OptionSpec>({auth_file});
constexpr auto search_options = std::to_array<OptionSpec>({
    {.names = "--limit", .value = "NUMBER", .help = "at most so many (25)"},
    tls_verify,
    creds,
    auth_file,
    cert_dir,
});
constexpr auto pull_examples = std::to_array<Example>({
    {"pull alpine", "docker.io/library/alpine:latest"},
    {"pull registry.example.com/team/app@sha256:...", "exactly this one"},
    {"pull --platform linux/arm64 alpine", "for another machine"},
});
constexpr auto push_examples = std::to_array<Example>({
    {"push registry.example.com/team/app:1", "under its own name"},
    {"push app localhost:5000/app:1", "under another one"},
});
constexpr auto login_examples = std::to_array<Example>({
    {"login registry.example.com", "asks for user and password"},
    {"login -u me --password-stdin ghcr.io < token", "for scripts"},
});
constexpr auto logout_examples = std::to_array<Example>({{"logout registry.example.com", ""}});
constexpr auto search_examples = std::to_array<Example>({
    {"search nginx", "at docker.io"},
    {"search localhost:5000/app", "at another registry"},
});

constexpr std::string_view pull_text =
    "Gets images from their registry: whole or not at all; what a broken connection has left is used by the next pull. "
    "Short names mean docker.io/library, unless unqualified-search-registries lists others: these are asked in their "
    "order until one has the image. That list, aliases, mirrors and registries without TLS stand in "
    "/etc/containers/registries.conf, CAs in /etc/containers/certs.d or /etc/docker/certs.d. HTTPS_PROXY, HTTP_PROXY "
    "and NO_PROXY are honoured. What refers to the image of this platform, such as its signatures, is kept with it.";
constexpr std::string_view push_text =
    "Uploads what the registry does not have. Layers that are stored uncompressed are sent as gzip. What "
    "refers to the image, such as its signatures, goes along if it came with it.";
constexpr std::string_view login_text =
    "Tries the credentials and keeps them in docker's config.json (or --authfile, $REGISTRY_AUTH_FILE), through the "
    "credential helper that is set there. They are sent to the registry and to token servers of its own domain; to "
    "others only when $SERVIN_TOKEN_SERVERS names them (HOST,HOST...).";

const CommandSpec table[] = {
    {.name = "image pull",
     .aliases = "pull",
     .group = group::images,
     .arguments = "NAME[:TAG|@DIGEST]...",
     .summary = "images from a registry",
     .text = pull_text,
     .options = pull_options,
     .more_options = progress,
     .min_args = 1,
     .max_args = -1,
     .complete = Complete::image,
     .examples = pull_examples,
     .handler = pull_handler},
    {.name = "image push",
     .aliases = "push",
     .group = group::images,
     .arguments = "IMAGE [TARGET]",
     .summary = "an image to a registry",
     .text = push_text,
     .options = push_options,
     .more_options = progress,
     .min_args = 1,
     .max_args = 2,
     .complete = Complete::image,
     .one_target = true,
     .examples = push_examples,
     .handler = push_handler},
    {.name = "login",
     .group = group::images,
     .arguments = "[REGISTRY]",
     .summary = "keep credentials for a registry",
     .text = login_text,
     .options = login_options,
     .max_args = 1,
     .examples = login_examples,
     .handler = login_handler},
    {.name = "logout",
     .group = group::images,
     .arguments = "[REGISTRY]",
     .summary = "forget the credentials for a registry",
     .options = logout_options,
     .max_args = 1,
     .examples = logout_examples,
     .handler = logout_handler},
    {.name = "search",
     .group = group::images,
     .arguments = "[REGISTRY/]WORD",
     .summary = "look for images in a registry",
     .options = search_options,
     .more_options = listing_options(),
     .min_args = 1,
     .max_args = 1,
     .examples = search_examples,
     .fields = search_fields,
     .handler = search_handler},
};

}  // namespace

std::span<const CommandSpec> registry_commands() { return table; }

}  // namespace servin::cli
