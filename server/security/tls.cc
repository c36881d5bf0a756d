#include "server/security/tls.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "model/checkpoint/durable_file.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

constexpr unsigned kLookAgainSeconds = 1;

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Bio = std::unique_ptr<BIO, Free>;
using Certificate = std::unique_ptr<X509, Free>;
using Key = std::unique_ptr<EVP_PKEY, Free>;

// A file and the flag that names it.
struct File {
  const char* flag;
  const std::filesystem::path& path;
};

absl::Status Wrong(const File& file, std::string_view what) {
  return Refusal(absl::StatusCode::kInvalidArgument, "TLS_FILES",
                 absl::StrCat(file.flag, " ", Quoted(file.path.string()), ": ",
                              absl::string_view(what.data(), what.size())));
}

absl::StatusOr<std::string> Read(const File& file) {
  absl::StatusOr<std::string> bytes = ReadWholeFile(file.path);
  if (!bytes.ok()) {
    return Wrong(file, absl::StrCat("cannot be read: ", bytes.status().message()));
  }
  return bytes;
}

Bio BioOf(const std::string& bytes) {
  return Bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

absl::StatusOr<std::vector<Certificate>> ReadCertificates(const File& file) {
  const absl::StatusOr<std::string> bytes = Read(file);
  if (!bytes.ok()) return bytes.status();
  const Bio bio = BioOf(*bytes);
  std::vector<Certificate> certificates;
  while (X509* one = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(one);
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (certificates.empty()) return Wrong(file, "has no certificate in PEM");
  if (!at_end) return Wrong(file, "has a damaged certificate behind the first");
  return certificates;
}

// A passphrase would be asked for at the terminal.
int NoPassphrase(char*, int, int, void*) { return -1; }

absl::StatusOr<Key> ReadKey(const File& file) {
  const absl::StatusOr<std::string> bytes = Read(file);
  if (!bytes.ok()) return bytes.status();
  const Bio bio = BioOf(*bytes);
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  if (key == nullptr) return Wrong(file, "has no private key in PEM, or one with a passphrase");
  return key;
}

// Now, as OpenSSL's comparison wants it.
bool IsBefore(const ASN1_TIME* time, absl::Time now) {
  time_t seconds = absl::ToTimeT(now);
  return X509_cmp_time(time, &seconds) < 0;
}

}  // namespace

absl::Status CheckTlsFiles(const TlsFiles& files, absl::Time now) {
  if (files.empty()) return absl::OkStatus();
  if (files.certificate.empty() || files.key.empty()) {
    return Refusal(absl::StatusCode::kInvalidArgument, "TLS_FILES",
                   "TLS wants both --tls-certificate and --tls-key");
  }
  const File certificate_file{"--tls-certificate", files.certificate};
  const File key_file{"--tls-key", files.key};
  const auto certificates = ReadCertificates(certificate_file);
  if (!certificates.ok()) return certificates.status();
  const auto key = ReadKey(key_file);
  if (!key.ok()) return key.status();
  X509* own = certificates->front().get();
  const bool fits = X509_check_private_key(own, key->get()) == 1;
  ERR_clear_error();
  if (!fits) {
    return Wrong(key_file, absl::StrCat("is not the key of the first certificate in ",
                                        Quoted(files.certificate.string())));
  }
  if (IsBefore(X509_get0_notAfter(own), now)) return Wrong(certificate_file, "has expired");
  if (!IsBefore(X509_get0_notBefore(own), now)) return Wrong(certificate_file, "is not valid yet");
  if (files.client_ca.empty()) return absl::OkStatus();
  return ReadCertificates({"--tls-client-ca", files.client_ca}).status();
}

std::shared_ptr<grpc::ServerCredentials> NewTlsCredentials(const TlsFiles& files) {
  namespace tls = grpc::experimental;
  tls::TlsServerCredentialsOptions options(std::make_shared<tls::FileWatcherCertificateProvider>(
      files.key.string(), files.certificate.string(), files.client_ca.string(), kLookAgainSeconds));
  options.watch_identity_key_cert_pairs();
  if (files.client_ca.empty()) {
    options.set_cert_request_type(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  } else {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    // The handshake verifies the certificate; the default verifier would also look for a host's
    // name in it, and callers are no hosts.
    options.set_certificate_verifier(std::make_shared<tls::NoOpCertificateVerifier>());
    options.set_check_call_host(false);
  }
  return tls::TlsServerCredentials(options);
}

}  // namespace derin::server
