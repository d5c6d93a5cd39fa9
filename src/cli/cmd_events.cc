// SPDX-License-Identifier: Apache-2.0
// events: what happens to containers, images, volumes and networks, as docker prints it.
#include <array>
#include <cstdlib>
#include <ctime>

#include "base/error.h"
#include "base/strings.h"
#include "cli/listing.h"
#include "cli/registry.h"

namespace servin::cli {
namespace {

std::string attributes_json(const engine::Event& event) {
  std::string text;
  for (const auto& [key, value] : event.attributes)
    text += (text.empty() ? "" : ",") + quoted(key) + ":" + quoted(value);
  return "{" + text + "}";
}

std::string attribute(const engine::Event& event, const std::string& key) {
  auto found = event.attributes.find(key);
  return found == event.attributes.end() ? "" : found->second;
}

/// Docker's JSON has its oldest fields (status, id, from) for containers and images only; its templates have Go's
/// names.
std::string event_json(const engine::Event& e, bool for_template) {
  std::string actor = fmt::format(R"({{"ID":{},"Attributes":{}}})", quoted(e.id), attributes_json(e));
  std::string from = e.type == "container" ? attribute(e, "image") : "";
  std::int64_t seconds = e.time.ns / 1'000'000'000;
  if (for_template) {
    return fmt::format(
        R"({{"Status":{},"ID":{},"From":{},"Type":{},"Action":{},"Actor":{},"Scope":"local","Time":{},"TimeNano":{}}})",
        quoted(e.action), quoted(e.id), quoted(from), quoted(e.type), quoted(e.action), actor, seconds, e.time.ns);
  }
  std::string old;
  if (e.type == "container")
    old = fmt::format(R"("status":{},"id":{},"from":{},)", quoted(e.action), quoted(e.id), quoted(from));
  if (e.type == "image") old = fmt::format(R"("status":{},"id":{},)", quoted(e.action), quoted(e.id));
  return fmt::format(R"({{{}"Type":{},"Action":{},"Actor":{},"scope":"local","time":{},"timeNano":{}}})", old,
                     quoted(e.type), quoted(e.action), actor, seconds, e.time.ns);
}

/// With the caller's time zone, as docker.
std::string local_time(Time time) {
  std::time_t seconds = time.ns / 1'000'000'000;
  std::tm tm{};
  ::localtime_r(&seconds, &tm);
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}", tm.tm_year + 1900, tm.tm_mon + 1,
                                 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, time.ns % 1'000'000'000);
  if (tm.tm_gmtoff == 0) return text + "Z";
  long minutes = std::labs(tm.tm_gmtoff) / 60;
  return text + fmt::format("{}{:02}:{:02}", tm.tm_gmtoff < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

std::string event_line(const engine::Event& e) {
  std::string attributes;
  for (const auto& [key, value] : e.attributes) attributes += (attributes.empty() ? "" : ", ") + key + "=" + value;
  std::string line = local_time(e.time) + " " + e.type + " " + e.action + " " + e.id;
  if (!attributes.empty()) line += " (" + attributes + ")";
  return printable(line);
}

int events_handler(Context& context, const Parsed& parsed) {
  engine::EventRequest request;
  request.since = moment_of(parsed, "since");
  request.until = moment_of(parsed, "until");
  request.filters = filters_of(parsed);
  std::string format = parsed.value_or("format", "");
  bool plain = format.empty() || format == "table";
  bool json = format == "json";
  // A mistake in the template is told now, not with the first event.
  if (!plain && !json) print_check(format, event_json(engine::Event{}, true));
  context.engine().events(request, [&](const engine::Event& event) {
    if (plain)
      context.out.line(event_line(event));
    else
      print_object(context, format, event_json(event, !json));
    context.out.flush();
    return true;
  });
  return 0;
}

constexpr auto events_options = std::to_array<OptionSpec>({
    {.names = "--since", .value = "WHEN", .help = "from then on: a time, or 10m: ten minutes ago"},
    {.names = "--until", .value = "WHEN", .help = "up to then; without it the command goes on"},
    {.names = "-f,--filter",
     .value = "KEY=VALUE",
     .help = "container, event, image, label, network, scope, type, volume",
     .repeat = true},
    {.names = "--format", .value = "FORMAT", .help = "json or a template: '{{.Action}} {{.Actor.Attributes.name}}'"},
});
constexpr auto events_examples = std::to_array<Example>({
    {"events", "what happens from now on"},
    {"events --since 1h --until 0s", "the last hour"},
    {"events --filter container=web --filter event=die", "one container's ends"},
    {"events --format json", "one object a line"},
});

const CommandSpec table[] = {
    {.name = "events",
     .aliases = "system events",
     .group = group::engine,
     .summary = "what happens, as it happens",
     .text =
         "Prints what is done to containers, images, volumes and networks, and what becomes of them. Without --since "
         "and --until it begins now and goes on. Of the past some ten thousand events are kept, until a reboot.",
     .options = events_options,
     .examples = events_examples,
     .handler = events_handler},
};

}  // namespace

std::span<const CommandSpec> event_commands() { return table; }

}  // namespace servin::cli
