// SPDX-License-Identifier: Apache-2.0
// Between the engine and servin-transfer: one JSON object a line over a stream socket, which is descriptor 3 of
// servin-transfer. A request that needs a descriptor carries it as SCM_RIGHTS and says "fd": true; descriptors arrive
// in the order of the requests.
//
//   {"op":"endpoint","endpoint":N,"host":...,"insecure":...,"ca","cert","key","user","password",...}   no answer
//   {"id":I,"endpoint":N,"op":"manifest","repository":R,"reference":TAG-OR-DIGEST,"fd":true}  its bytes are written
//   there
//   {"id":I,"endpoint":N,"op":"blob","repository":R,"digest":D,"size":S,"offset":O,"fd":true}  the rest of the blob
//   {"id":I,"endpoint":N,"op":"upload","repository":R,"digest":D,"size":S,"from":[R...],"fd":true}
//   {"id":I,"endpoint":N,"op":"put-manifest","repository":R,"reference":TAG,"type":T,"fd":true}
//   {"id":I,"endpoint":N,"op":"referrers","repository":R,"digest":D,"fd":true}  an index is written there, or nothing
//   {"id":I,"endpoint":N,"op":"tags","repository":R}   "search","term":T,"limit":N   "login"
//
//   {"id":I,"progress":BYTES}   {"id":I,"result":{...}}   {"id":I,"error":{"code","message","hint","error_id"}}
//
// Answers come in any order. At most max_parallel requests run at once; further ones wait.
#pragma once

#include <cstddef>

namespace servin::transfer::protocol {

constexpr int control_descriptor = 3;
constexpr std::size_t max_parallel = 6;

}  // namespace servin::transfer::protocol
