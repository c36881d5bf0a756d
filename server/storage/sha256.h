#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX

namespace derin::server {

// SHA-256 (FIPS 180-4) of bytes that arrive in pieces.
class Sha256 {
 public:
  Sha256();

  void Append(std::string_view bytes);
  // 64 lower-case hexadecimal digits. Once only, as the last call.
  std::string Finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

// Of bytes that are all there.
std::string Sha256Hex(std::string_view bytes);
// Whether `digest` looks like what Finish gives.
bool IsSha256Hex(std::string_view digest);

}  // namespace derin::server
