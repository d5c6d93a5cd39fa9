// SPDX-License-Identifier: Apache-2.0
// Whom to trust and who we are by certificate: /etc/containers/certs.d/HOST:PORT and /etc/docker/certs.d/HOST:PORT hold
// *.crt (CAs), NAME.cert with NAME.key (ours). The engine reads them, since servin-transfer may not.
#pragma once

#include <string>

namespace servin::registry {

struct Certificates {
  std::string ca;         // the system's and the host's own, PEM; "" = the system's are enough
  std::string cert, key;  // PEM
};

/// `folder`: --cert-dir, instead of both places.
Certificates read_certificates(const std::string& host, const std::string& folder);

}  // namespace servin::registry
