// SPDX-License-Identifier: Apache-2.0
// The corpus: templates as people write them for `docker ps --format` and `docker inspect --format`, and what docker
// prints for them.
#include "cli/template.h"

#include <array>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace servin::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Case {
  std::string_view text, result;
};

const Json& row() {
  static const Json value =
      Json::parse(R"json({"ID":"f00df00df00d","Image":"nginx:1.25","Command":"\"nginx -g daemon off\"",
    "RunningFor":"2 hours ago","Status":"Up 2 hours","Ports":"","Names":"web","Size":"1kB (virtual 2MB)",
    "CreatedAt":"2026-11-27 08:00:00 +0000 UTC","State":"running","Labels":"com.example.tier=front,role=a b",
    "Mounts":"data","Networks":"none","LocalVolumes":"1",
    "\u0001labels":{"com.example.tier":"front","role":"a b"}})json");
  return value;
}

const Json& document() {
  static const Json value = Json::parse(R"({"Id":"abc123","Name":"/web",
    "State":{"Status":"running","Pid":42,"Running":true,"ExitCode":0},
    "Config":{"Env":["A=1","B=2"],"Cmd":null,"Labels":{"k":"v","long.key":"w"},"Empty":[]},
    "HostConfig":{"Memory":536870912,"NetworkMode":"none"},
    "Mounts":[{"Source":"/src","Destination":"/dst"}],
    "NetworkSettings":{"Ports":{"80/tcp":null},"Networks":{"bridge":{"IPAddress":"10.0.0.2"}}}})");
  return value;
}

constexpr auto of_ps = std::to_array<Case>({
    {"{{.ID}}", "f00df00df00d"},
    {"{{.Names}}", "web"},
    {"{{.Image}}", "nginx:1.25"},
    {"{{.Command}}", "\"nginx -g daemon off\""},
    {"{{.CreatedAt}}", "2026-11-27 08:00:00 +0000 UTC"},
    {"{{.RunningFor}}", "2 hours ago"},
    {"{{.Ports}}", ""},
    {"{{.State}}", "running"},
    {"{{.Status}}", "Up 2 hours"},
    {"{{.Size}}", "1kB (virtual 2MB)"},
    {"{{.Labels}}", "com.example.tier=front,role=a b"},
    {"{{.Label \"role\"}}", "a b"},
    {"{{.Label \"com.example.tier\"}}", "front"},
    {"{{.Label \"gone\"}}", ""},
    {"{{.Mounts}}", "data"},
    {"{{.Networks}}", "none"},
    {"{{.LocalVolumes}}", "1"},
    {"{{.ID}}: {{.Command}}", "f00df00df00d: \"nginx -g daemon off\""},
    {"{{.ID}}\\t{{.Names}}", "f00df00df00d\tweb"},
    {"{{ .Names }}", "web"},
    {"name={{.Names}} image={{.Image}}", "name=web image=nginx:1.25"},
    {"{{json .Names}}", "\"web\""},
    {"{{json .Ports}}", "\"\""},
    {"{{.Names | json}}", "\"web\""},
    {"{{upper .Names}}", "WEB"},
    {"{{lower \"ABC\"}}", "abc"},
    {"{{title .Names}}", "Web"},
    {"{{.Names | upper | lower}}", "web"},
    {"{{join (split .Image \":\") \"/\"}}", "nginx/1.25"},
    {"{{index (split .Image \":\") 1}}", "1.25"},
    {"{{range split .Labels \",\"}}{{.}};{{end}}", "com.example.tier=front;role=a b;"},
    {"{{if .Ports}}open{{else}}closed{{end}}", "closed"},
    {"{{if eq .State \"running\"}}up{{end}}", "up"},
    {"{{if ne .State \"running\"}}down{{else}}up{{end}}", "up"},
    {"{{if eq .State \"paused\"}}p{{else if eq .State \"running\"}}r{{else}}o{{end}}", "r"},
    {"{{printf \"%s is %s\" .Names .State}}", "web is running"},
    {"{{printf \"%-8s|\" .Names}}", "web     |"},
    {"{{printf \"%8s|\" .Names}}", "     web|"},
    {"{{printf \"%q\" .Names}}", "\"web\""},
    {"{{printf \"%.2s\" .Names}}", "we"},
    {"{{slice .ID 0 4}}", "f00d"},
    {"{{slice .ID 8}}", "f00d"},
    {"{{len .Names}}", "3"},
    {"{{println .Names}}", "web\n"},
    {"{{print .Names .State}}", "webrunning"},
    {"{{truncate .ID 3}}", "f00"},
    {"{{pad .Names 1 2}}", " web  "},
    {"{{- .Names -}}", "web"},
    {"a {{- .Names -}} b", "awebb"},
    {"{{/* note */}}{{.Names}}", "web"},
    {"{{with .Names}}<{{.}}>{{end}}", "<web>"},
    {"{{with .Ports}}p{{else}}no ports{{end}}", "no ports"},
    {"{{$n := .Names}}{{$n}}-{{$n}}", "web-web"},
    {"{{and .Names .State}}", "running"},
    {"{{or .Ports .Names}}", "web"},
    {"{{not .Ports}}", "true"},
    {"{{if and (eq .State \"running\") (not .Ports)}}x{{end}}", "x"},
    {"{{eq .State \"exited\" \"running\"}}", "true"},
    {"{{lt 1 2}}{{le 2 2}}{{gt 1 2}}{{ge 1 2}}", "truetruefalsefalse"},
    {"{{\"quoted\\t\"}}|", "quoted\t|"},
    {"{{`raw`}}", "raw"},
    {"{{true}}", "true"},
    {"{{len (split .Labels \",\")}}", "2"},
    {"{{if .Label \"role\"}}has{{end}}", "has"},
    {"{{.Names}}{{\"\\n\"}}{{.ID}}", "web\nf00df00df00d"},
    {"{{range $i, $l := split .Labels \",\"}}{{if $i}}, {{end}}{{$l}}{{end}}", "com.example.tier=front, role=a b"},
    {"plain text", "plain text"},
    {"{{ .Names | printf \"%s/%s\" .ID }}", "f00df00df00d/web"},
});

constexpr auto of_inspect = std::to_array<Case>({
    {"{{.Id}}", "abc123"},
    {"{{.Name}}", "/web"},
    {"{{.State.Status}}", "running"},
    {"{{.State.Pid}}", "42"},
    {"{{.State.Running}}", "true"},
    {"{{.State.ExitCode}}", "0"},
    {"{{json .State.Running}}", "true"},
    {"{{.Config.Env}}", "[A=1 B=2]"},
    {"{{json .Config.Env}}", "[\"A=1\",\"B=2\"]"},
    {"{{range .Config.Env}}{{println .}}{{end}}", "A=1\nB=2\n"},
    {"{{join .Config.Env \" \"}}", "A=1 B=2"},
    {"{{index .Config.Env 0}}", "A=1"},
    {"{{len .Config.Env}}", "2"},
    {"{{.Config.Labels}}", "map[k:v long.key:w]"},
    {"{{json .Config.Labels}}", "{\"k\":\"v\",\"long.key\":\"w\"}"},
    {"{{.Config.Labels.k}}", "v"},
    {"{{index .Config.Labels \"long.key\"}}", "w"},
    {"{{index .Config.Labels \"gone\"}}", ""},
    {"{{.Config.Labels.gone}}", "<no value>"},
    {"{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}", "k=v long.key=w "},
    {"{{if .Config.Cmd}}cmd{{else}}no cmd{{end}}", "no cmd"},
    {"{{json .Config.Cmd}}", "null"},
    {"{{.HostConfig.Memory}}", "536870912"},
    {"{{.HostConfig.NetworkMode}}", "none"},
    {"{{range .Mounts}}{{.Source}}:{{.Destination}} {{end}}", "/src:/dst "},
    {"{{(index .Mounts 0).Source}}", "/src"},
    {"{{with index .Mounts 0}}{{.Destination}}{{end}}", "/dst"},
    {"{{range $p, $c := .NetworkSettings.Ports}}{{$p}}{{end}}", "80/tcp"},
    {"{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "10.0.0.2"},
    {"{{index .NetworkSettings.Ports \"80/tcp\"}}", "[]"},
    {"{{.NetworkSettings.Networks.bridge.IPAddress}}", "10.0.0.2"},
    {"{{if gt .HostConfig.Memory 0}}limited{{end}}", "limited"},
    {"{{printf \"%d\" .State.Pid}}", "42"},
    {"{{$.State.Pid}}", "42"},
    {"{{with .State}}{{.Pid}} {{$.Name}}{{end}}", "42 /web"},
    {"{{slice .Name 1}}", "web"},
    {"{{.State.Status | upper}}", "RUNNING"},
    {"{{json .State}}", "{\"Status\":\"running\",\"Pid\":42,\"Running\":true,\"ExitCode\":0}"},
    {"{{range .Config.Empty}}x{{else}}none{{end}}", "none"},
    {"{{.Config.Empty}}", "[]"},
    {"{{index .Config.Labels \"k\" | upper}}", "V"},
    {"{{eq .State.Pid 42}}", "true"},
    {"{{if eq .State.Status \"running\"}}{{.State.Pid}}{{end}}", "42"},
});

constexpr auto broken = std::to_array<std::string_view>({
    "{{.Foo}}",
    "{{.ID",
    "{{.State.Pidd}}",
    "{{if .ID}}",
    "{{end}}",
    "{{nosuch .ID}}",
    "{{range .State.Status}}x{{end}}",
    "{{index .Config.Env 9}}",
    "{{slice .Id 5 2}}",
    "{{template \"x\"}}",
    "{{define \"x\"}}{{end}}",
    "{{\"open}}",
    "{{(.ID}}",
    "{{}}",
    "{{.ID |}}",
    "{{| .ID}}",
    "{{$x}}",
    "{{.Id.x}}",
    "{{join .Id \",\"}}",
    "{{printf \"%d\"}}",
    "{{printf \"%\"}}",
    "{{else}}",
    "{{: .Id}}",
    "{{lt .Config 1}}",
    "{{/* open }}",
});

/// Lists read \t outside of actions before the template does.
std::string unescaped(std::string_view text) {
  std::string result(text);
  std::size_t at = result.find("}}\\t{{");
  if (at != std::string::npos) result.replace(at + 2, 2, "\t");
  return result;
}

TEST(Template, CorpusOfPs) {
  for (const Case& c : of_ps) EXPECT_EQ(Template(unescaped(c.text)).execute(row()), c.result) << c.text;
}

TEST(Template, CorpusOfInspect) {
  for (const Case& c : of_inspect) EXPECT_EQ(Template(c.text).execute(document()), c.result) << c.text;
}

TEST(Template, TheCorpusIsLargeEnough) { EXPECT_GE(of_ps.size() + of_inspect.size(), 100U); }

TEST(Template, BrokenOnesAreNamed) {
  for (std::string_view text : broken) {
    try {
      std::string result = Template(text).execute(document());
      ADD_FAILURE() << text << " gave " << result;
    } catch (const Error& e) {
      EXPECT_EQ(e.id(), "E-FORMAT-INVALID") << text;
      EXPECT_FALSE(e.hint().empty()) << text;
    }
  }
}

TEST(Template, UnknownFieldsListTheKnownOnes) {
  try {
    Template("{{.Nmaes}}").execute(row());
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "--format: there is no field \"Nmaes\"");
    EXPECT_NE(e.hint().find("did you mean \"Names\"?"), std::string::npos) << e.hint();
    EXPECT_NE(e.hint().find("fields: ID Image Command"), std::string::npos) << e.hint();
    EXPECT_EQ(e.hint().find('\x01'), std::string::npos);
  }
}

TEST(Template, DeepNestingIsRefused) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "{{if .ID}}";
  EXPECT_THROW(Template{text}, Error);
  EXPECT_THROW(Template{"{{" + std::string(5000, '(') + ".ID" + std::string(5000, ')') + "}}"}, Error);
}

}  // namespace
}  // namespace servin::cli
