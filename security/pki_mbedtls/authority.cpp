#include "security/pki_mbedtls/authority.hpp"

#include <mbedtls/asn1write.h>
#include <mbedtls/oid.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>

#include "security/crypto_mbedtls/crypto.hpp"
#include "security/crypto_mbedtls/mbedtls_error.hpp"
#include "security/pki_mbedtls/files.hpp"
#include "security/pki_mbedtls/identity_files.hpp"
#include "security/pki_mbedtls/x509_raii.hpp"

namespace hedgerow::security {

namespace {

// An authority's dates are constants, so that no wrong clock gets into them: it is valid before any build of this
// program and until X.509's short form of dates ends.
constexpr const char* kAuthorityNotBefore = "20200101000000";
constexpr const char* kAuthorityNotAfter = "20491231235959";

constexpr std::int64_t kSecondsADay = 86'400;

// Room for as many host names as there may be, each of 253 bytes and its header, in base64.
constexpr std::size_t kCertificatePemBytesMax = 8192;
static_assert((kHostAddressesMax * (253 + 4) + 1024) * 3 / 2 <= kCertificatePemBytesMax);

class CertificateWriter {
 public:
  CertificateWriter() { mbedtls_x509write_crt_init(&value_); }
  ~CertificateWriter() { mbedtls_x509write_crt_free(&value_); }
  CertificateWriter(const CertificateWriter&) = delete;
  CertificateWriter& operator=(const CertificateWriter&) = delete;
  mbedtls_x509write_cert* get() { return &value_; }

  // Runs the steps until one fails, then writes the certificate.
  template <class... Steps>
  Expected<std::string> write(Steps... steps) {
    int status = set_basics();
    ((status = status == 0 ? steps(&value_) : status), ...);
    std::array<unsigned char, kCertificatePemBytesMax> pem{};
    if (status == 0) {
      status = mbedtls_x509write_crt_pem(&value_, pem.data(), pem.size(), random_callback, nullptr);
    }
    if (status != 0) return fail(Category::kUnavailable, "cannot make a certificate: " + mbedtls_error_text(status));
    return std::string{reinterpret_cast<const char*>(pem.data())};
  }

 private:
  int set_basics() {
    mbedtls_x509write_crt_set_version(&value_, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&value_, MBEDTLS_MD_SHA256);
    std::array<unsigned char, 16> serial{};
    if (const int status = random_callback(nullptr, serial.data(), serial.size()); status != 0) return status;
    // Positive and of full length [RFC 5280, 4.1.2.2].
    serial[0] = static_cast<unsigned char>((serial[0] & 0x3FU) | 0x40U);
    return mbedtls_x509write_crt_set_serial_raw(&value_, serial.data(), serial.size());
  }

  mbedtls_x509write_cert value_;
};

Expected<std::string> write_authority(PrivateKey& key, const std::string& mesh) {
  const std::string name = "CN=" + mesh + " authority,O=" + mesh;
  CertificateWriter writer;
  return writer.write(
      [&](mbedtls_x509write_cert* to) {
        mbedtls_x509write_crt_set_subject_key(to, key.get());
        mbedtls_x509write_crt_set_issuer_key(to, key.get());
        return mbedtls_x509write_crt_set_subject_name(to, name.c_str());
      },
      [&](mbedtls_x509write_cert* to) { return mbedtls_x509write_crt_set_issuer_name(to, name.c_str()); },
      [](mbedtls_x509write_cert* to) {
        return mbedtls_x509write_crt_set_validity(to, kAuthorityNotBefore, kAuthorityNotAfter);
      },
      [](mbedtls_x509write_cert* to) { return mbedtls_x509write_crt_set_basic_constraints(to, /*is_ca=*/1, 0); },
      [](mbedtls_x509write_cert* to) {
        return mbedtls_x509write_crt_set_key_usage(to, MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN);
      },
      mbedtls_x509write_crt_set_subject_key_identifier, mbedtls_x509write_crt_set_authority_key_identifier);
}

// Only nodes serve: a program's certificate must not pass for a server of its name with clients that know no roles.
int set_extended_key_usage(mbedtls_x509write_cert* to, Role role) {
  mbedtls_asn1_sequence server{};
  mbedtls_asn1_sequence client{};
  const auto set = [](mbedtls_asn1_sequence& item, const char* oid, std::size_t length) {
    item.buf.tag = MBEDTLS_ASN1_OID;
    item.buf.p = reinterpret_cast<unsigned char*>(const_cast<char*>(oid));
    item.buf.len = length;
  };
  set(server, MBEDTLS_OID_SERVER_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH));
  set(client, MBEDTLS_OID_CLIENT_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH));
  server.next = &client;
  return mbedtls_x509write_crt_set_ext_key_usage(to, role == Role::kNode ? &server : &client);
}

struct Authority {
  Certificate certificate;
  PrivateKey key;
  std::string certificate_pem;
  std::string mesh;
};

Expected<void> load_authority(const std::filesystem::path& directory, Authority& authority) {
  const auto certificate_path = directory / "authority.crt";
  const auto key_path = directory / "authority.key";
  auto pem = read_pki_file(certificate_path, Secrecy::kPublic);
  if (!pem && pem.error().category == Category::kNotFound) {
    return fail(Category::kNotFound,
                "there is no authority in " + directory.string() + ": make one with: hedgerow mesh init");
  }
  if (!pem) return tl::unexpected(pem.error());
  authority.certificate_pem = *std::move(pem);
  if (auto parsed = authority.certificate.parse(certificate_path.string(), authority.certificate_pem); !parsed) {
    return parsed;
  }
  authority.mesh = subject_attribute(*authority.certificate.get(), "O");
  if (auto good = check_name("the mesh name in " + certificate_path.string(), authority.mesh); !good) {
    return fail(Category::kCorrupt, good.error().what);
  }
  auto key_pem = read_pki_file(key_path, Secrecy::kSecret);
  if (!key_pem) return tl::unexpected(key_pem.error());
  const Secret secret{*std::move(key_pem)};
  if (auto parsed = authority.key.parse(key_path.string(), secret.text()); !parsed) return parsed;
  if (mbedtls_pk_check_pair(&authority.certificate.get()->pk, authority.key.get(), random_callback, nullptr) != 0) {
    return fail(Category::kCorrupt, key_path.string() + " does not belong to " + certificate_path.string() +
                                        ": restore both files from the same copy");
  }
  return {};
}

std::string date_text(std::int64_t unix_s) {
  const auto seconds = static_cast<std::time_t>(unix_s);
  std::tm broken{};
  gmtime_r(&seconds, &broken);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y%m%d%H%M%S", &broken);
  return text.data();
}

std::string date_text(const mbedtls_x509_time& time) { return date_text(unix_seconds(time)); }

struct Subject {
  std::string name;
  IssueOptions options;
};

// A name such as "a..b" is good for the mesh but no host's: a certificate must not hold it as one [RFC 5280, 4.2.1.6].
std::vector<HostAddress> addresses_of(const Subject& subject) {
  std::vector<HostAddress> addresses;
  if (auto own = parse_host_address(subject.name)) addresses.push_back(*std::move(own));
  for (const HostAddress& address : subject.options.addresses) {
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) addresses.push_back(address);
  }
  return addresses;
}

int set_subject_alternative_name(mbedtls_x509write_cert* to, std::vector<HostAddress> addresses) {
  if (addresses.empty()) return 0;
  std::vector<mbedtls_x509_san_list> list(addresses.size());
  for (std::size_t at = 0; at < list.size(); ++at) {
    const bool is_name = addresses[at].kind == HostAddress::Kind::kName;
    list[at].node.type = is_name ? MBEDTLS_X509_SAN_DNS_NAME : MBEDTLS_X509_SAN_IP_ADDRESS;
    mbedtls_x509_buf& value = list[at].node.san.unstructured_name;
    value.p = reinterpret_cast<unsigned char*>(addresses[at].value.data());
    value.len = addresses[at].value.size();
    list[at].next = at > 0 ? &list[at - 1] : nullptr;  // mbedTLS writes the list from its end
  }
  return mbedtls_x509write_crt_set_subject_alternative_name(to, &list.back());
}

Expected<std::string> write_node(Authority& authority, PrivateKey& key, const Subject& subject) {
  const mbedtls_x509_crt& issuer = *authority.certificate.get();
  const std::int64_t now = subject.options.now_unix_s.value_or(
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count());
  if (now < unix_seconds(issuer.valid_from)) {
    return fail(Category::kUnavailable, "the clock of this machine is before " + utc_text(issuer.valid_from) +
                                            ": set it, or the certificate would end too early");
  }
  if (now >= unix_seconds(issuer.valid_to)) {
    return fail(Category::kUnavailable, "the clock of this machine is after the authority's end, " +
                                            utc_text(issuer.valid_to) + ": set it, or make a new authority");
  }
  const std::int64_t end = std::min(now + subject.options.validity_days * kSecondsADay, unix_seconds(issuer.valid_to));
  const std::string name =
      "CN=" + subject.name + ",OU=" + std::string{role_text(subject.options.role)} + ",O=" + authority.mesh;
  const std::string issuer_name = "CN=" + authority.mesh + " authority,O=" + authority.mesh;
  const std::string begin = date_text(issuer.valid_from);
  const std::string until = date_text(end);
  CertificateWriter writer;
  return writer.write(
      [&](mbedtls_x509write_cert* to) {
        mbedtls_x509write_crt_set_subject_key(to, key.get());
        mbedtls_x509write_crt_set_issuer_key(to, authority.key.get());
        return mbedtls_x509write_crt_set_subject_name(to, name.c_str());
      },
      [&](mbedtls_x509write_cert* to) { return mbedtls_x509write_crt_set_issuer_name(to, issuer_name.c_str()); },
      [&](mbedtls_x509write_cert* to) { return mbedtls_x509write_crt_set_validity(to, begin.c_str(), until.c_str()); },
      [](mbedtls_x509write_cert* to) { return mbedtls_x509write_crt_set_basic_constraints(to, /*is_ca=*/0, -1); },
      [](mbedtls_x509write_cert* to) {
        return mbedtls_x509write_crt_set_key_usage(to, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
      },
      [&](mbedtls_x509write_cert* to) { return set_subject_alternative_name(to, addresses_of(subject)); },
      [&](mbedtls_x509write_cert* to) { return set_extended_key_usage(to, subject.options.role); },
      mbedtls_x509write_crt_set_subject_key_identifier, mbedtls_x509write_crt_set_authority_key_identifier);
}

}  // namespace

Expected<void> create_authority(const std::filesystem::path& dir, std::string_view mesh) {
  if (auto good = check_name("the mesh name", mesh); !good) return good;
  if (auto started = init_crypto(); !started) return started;
  PrivateKey key;
  if (auto made = key.generate_p256(); !made) return made;
  auto key_pem = key.to_pem();
  if (!key_pem) return tl::unexpected(key_pem.error());
  const Secret secret{*std::move(key_pem)};
  auto certificate_pem = write_authority(key, std::string{mesh});
  if (!certificate_pem) return tl::unexpected(certificate_pem.error());
  const std::array files = {NewFile{"authority.crt", *certificate_pem, Secrecy::kPublic},
                            NewFile{"authority.key", secret.text(), Secrecy::kSecret}};
  return publish_directory(dir / "authority", files);
}

Expected<void> issue_node(const std::filesystem::path& authority_dir, std::string_view name,
                          const std::filesystem::path& out_dir, const IssueOptions& options) {
  if (auto good = check_name("the node name", name); !good) return good;
  if (options.addresses.size() > kHostAddressesMax) {
    return fail(Category::kLimit, "a certificate holds at most " + std::to_string(kHostAddressesMax) +
                                      " addresses, not " + std::to_string(options.addresses.size()));
  }
  if (auto started = init_crypto(); !started) return started;
  Authority authority;
  if (auto loaded = load_authority(authority_dir, authority); !loaded) return loaded;
  PrivateKey key;
  if (auto made = key.generate_p256(); !made) return made;
  auto key_pem = key.to_pem();
  if (!key_pem) return tl::unexpected(key_pem.error());
  const Secret secret{*std::move(key_pem)};
  auto certificate_pem = write_node(authority, key, {.name = std::string{name}, .options = options});
  if (!certificate_pem) return tl::unexpected(certificate_pem.error());
  const std::array files = {NewFile{"node.crt", *certificate_pem, Secrecy::kPublic},
                            NewFile{"node.key", secret.text(), Secrecy::kSecret},
                            NewFile{"authority.crt", authority.certificate_pem, Secrecy::kPublic}};
  return publish_directory(out_dir / "identity", files);
}

Expected<std::string> authority_mesh(const std::filesystem::path& authority_dir) {
  if (auto started = init_crypto(); !started) return tl::unexpected(started.error());
  Authority authority;
  if (auto loaded = load_authority(authority_dir, authority); !loaded) return tl::unexpected(loaded.error());
  return authority.mesh;
}

}  // namespace hedgerow::security
