// SPDX-License-Identifier: Apache-2.0
#include "image/fetch.h"

#include "base/strings.h"
#include "os/file.h"
#include "os/process.h"

namespace servin::image {

Error registry_lies(const RegistryPlace& place, std::string_view why) {
  return error(ErrorCode::data_loss, "registry {}: {}", place.host, why)
      .with_id("E-REGISTRY-LIES")
      .with_hint("nothing of it was kept; tell the registry's administrator");
}

std::string fetch_bytes(transfer::Client& client, const RegistryPlace& place, transfer::Client::Request request,
                        std::size_t limit, transfer::Answer& answer) {
  Pipe pipe = make_pipe();
  request.endpoint = place.endpoint;
  request.text["repository"] = place.repository;
  request.fd = &pipe.write;
  std::uint64_t id = client.send(request);
  pipe.write.reset();
  std::string text;
  try {
    text = read_all(pipe.read, limit, "the document");
  } catch (const Error& e) {
    if (e.code() != ErrorCode::resource_exhausted) throw;
    throw registry_lies(place, fmt::format("a document is larger than {} bytes", limit));
  }
  do {
    answer = client.receive();
  } while (answer.id != id || !answer.finished);
  if (answer.failure) throw Error(*answer.failure);
  return text;
}

std::string fetch_small_blob(transfer::Client& client, const RegistryPlace& place, const oci::Descriptor& blob,
                             std::string_view what) {
  transfer::Answer answer;
  transfer::Client::Request request;
  request.op = "blob";
  request.text = {{"digest", blob.digest.str()}};
  request.numbers = {{"size", blob.size}, {"offset", 0}};
  std::string text = fetch_bytes(client, place, request, blob.size, answer);
  if (oci::Digest::of(text) != blob.digest)
    throw registry_lies(place, fmt::format("the {} {} has another digest", what, blob.digest.str()));
  return text;
}

transfer::Answer put_manifest(transfer::Client& client, const RegistryPlace& place, const std::string& reference,
                              std::string_view type, const std::string& document) {
  Fd file = make_memfd("manifest", document, false);
  transfer::Client::Request request;
  request.endpoint = place.endpoint;
  request.op = "put-manifest";
  request.text = {{"repository", place.repository},
                  {"reference", reference},
                  {"type", type.empty() ? std::string(oci::media_type::oci_manifest) : std::string(type)}};
  request.fd = &file;
  transfer::Answer answer = client.call(request);
  std::string digest = oci::Digest::of(document).str();
  if (const std::string& said = answer.value("digest"); !said.empty() && said != digest)
    throw registry_lies(place, fmt::format("it keeps the manifest under {}, it is {}", printable(said), digest));
  return answer;
}

}  // namespace servin::image
