// SPDX-License-Identifier: Apache-2.0
// The low-level functions are deprecated in favour of EVP, which would bring a provider framework of several MiB with
// thousands of relocations to each start of the program, for the same assembler underneath.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/sha256.h"

#include <openssl/sha.h>

#include "base/id.h"

namespace servin {
namespace {
SHA256_CTX* context(unsigned char* state) { return reinterpret_cast<SHA256_CTX*>(state); }
}  // namespace

Sha256::Sha256() { start(); }
void Sha256::start() {
  static_assert(sizeof(SHA256_CTX) <= sizeof(state_) && alignof(SHA256_CTX) <= 8);
  SHA256_Init(context(state_));
}
void Sha256::update(const void* data, std::size_t size) { SHA256_Update(context(state_), data, size); }
std::string Sha256::finish_hex() {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256_Final(reinterpret_cast<unsigned char*>(digest.data()), context(state_));
  start();
  return hex(digest);
}

std::string sha256_hex(std::string_view data) {
  Sha256 h;
  h.update(data);
  return h.finish_hex();
}

}  // namespace servin
