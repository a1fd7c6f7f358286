// SPDX-License-Identifier: Apache-2.0
#include "core/net/library_versions.h"

#include <ares.h>
#include <nghttp2/nghttp2.h>
#include <openssl/crypto.h>

namespace banyan::net {

std::vector<std::pair<std::string, std::string>> library_versions() {
  return {{"c-ares", ares_version(nullptr)},
          {"nghttp2", nghttp2_version(0)->version_str},
          {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)}};
}

}  // namespace banyan::net
