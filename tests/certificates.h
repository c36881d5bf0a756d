#pragma once

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <filesystem>
#include <memory>
#include <string>

namespace derin {

// Where a certificate and its key are, in PEM.
struct CertificateFiles {
  std::filesystem::path certificate;
  std::filesystem::path key;
};

// An authority that a test makes, and that signs certificates for it; all files are in `folder`.
class TestAuthority {
 public:
  TestAuthority(std::filesystem::path folder, std::string name)
      : folder_(std::move(folder)), name_(std::move(name)), key_(NewKey()) {
    certificate_ = NewCertificate(name_, key_.get(), kYear, /*is_authority=*/true);
    Write(file(), [this](BIO* bio) { PEM_write_bio_X509(bio, certificate_.get()); });
  }

  std::filesystem::path file() const { return folder_ / (name_ + ".crt"); }

  // For 127.0.0.1 and localhost; `lifetime` in seconds from a day ago on, so that one of an hour
  // has expired.
  CertificateFiles Issue(const std::string& name, long lifetime = kYear) const {
    const Key key = NewKey();
    const Certificate certificate =
        NewCertificate(name, key.get(), lifetime, /*is_authority=*/false);
    CertificateFiles files{folder_ / (name + ".crt"), folder_ / (name + ".key")};
    Write(files.certificate, [&](BIO* bio) { PEM_write_bio_X509(bio, certificate.get()); });
    Write(files.key, [&](BIO* bio) {
      PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
    return files;
  }

  static constexpr long kYear = 365L * 24 * 3600;

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const { X509_free(certificate); }
  };
  using Key = std::unique_ptr<EVP_PKEY, Free>;
  using Certificate = std::unique_ptr<X509, Free>;

  static Key NewKey() { return Key(EVP_EC_gen("P-256")); }

  static void AddExtension(X509* certificate, int id, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }

  Certificate NewCertificate(const std::string& name, EVP_PKEY* key, long lifetime,
                             bool is_authority) const {
    constexpr long kDay = 24L * 3600;
    static long serial = 1;
    Certificate certificate(X509_new());
    X509* x = certificate.get();
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x), -kDay);
    X509_gmtime_adj(X509_getm_notAfter(x), lifetime - kDay);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(is_authority ? x : certificate_.get()));
    X509_set_pubkey(x, key);
    if (is_authority) {
      AddExtension(x, NID_basic_constraints, "critical,CA:TRUE");
    } else {
      AddExtension(x, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    }
    EXPECT_GT(X509_sign(x, key_.get(), EVP_sha256()), 0);
    return certificate;
  }

  template <typename WritePem>
  static void Write(const std::filesystem::path& path, const WritePem& write) {
    BIO* bio = BIO_new_file(path.c_str(), "w");
    ASSERT_NE(bio, nullptr) << path;
    write(bio);
    BIO_free(bio);
  }

  const std::filesystem::path folder_;
  const std::string name_;
  const Key key_;
  Certificate certificate_;
};

}  // namespace derin
