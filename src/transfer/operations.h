// SPDX-License-Identifier: Apache-2.0
// What the engine may ask for, one function each. All of them block; each worker thread runs one at a time.
#pragma once

#include <functional>

#include <nlohmann/json.hpp>

#include "transfer/endpoint.h"

namespace servin::transfer {

using Json = nlohmann::json;

struct Work {
  Endpoint& endpoint;
  Session& session;
  const Json& request;
  Fd fd;  // to write into, or to read from; closed before the answer is sent
  std::function<void(std::uint64_t)> progress;
};

/// The answer's "result". Throws Error.
Json operate(Work& work);

}  // namespace servin::transfer
