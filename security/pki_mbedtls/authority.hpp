// The mesh's certificate authority as local files: makes it, and issues certificates with it.
// Adapter: mbedTLS, files, the system's clock and random source. Thread rule: safe from any thread.
// Each function either leaves all of its files, synced, or none: they are written into a directory beside the target
// which is then renamed. Nothing is ever overwritten.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "security/identity/host_address.hpp"
#include "security/identity/identity.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::security {

// Makes `dir`/authority/{authority.crt, authority.key}: ECDSA P-256, CA:TRUE, subject O = mesh, CN = "MESH authority",
// key mode 0600. Creates `dir` when it is missing.
// kInvalidInput: the name breaks check_name(), or an authority is there already.
[[nodiscard]] Expected<void> create_authority(const std::filesystem::path& dir, std::string_view mesh);

struct IssueOptions {
  Role role = Role::kNode;
  std::int64_t validity_days = 90;
  // Seconds since 1970 that count as now; the system's clock when absent.
  std::optional<std::int64_t> now_unix_s = std::nullopt;
  // Under what clients that check host names reach it, beside its name: at most kHostAddressesMax.
  std::vector<HostAddress> addresses = {};
};

// Makes `out_dir`/identity/{node.crt, node.key, authority.crt} signed by the authority in `authority_dir`, which is the
// directory that holds authority.crt and authority.key (DATA/authority).
// Not valid before the authority is: boards' clocks are often behind. Not after now + validity_days.
// The subjectAltName holds the name, as far as it is a host name or an IP address, then the addresses, each once. It is
// for browsers and other clients that know only the authority; members of the mesh go by authority, mesh and role.
// Extended key usage: client, and for role node also server.
// kInvalidInput: bad name, or an identity is there already. kLimit: too many addresses. kNotFound: no authority in
// authority_dir.
[[nodiscard]] Expected<void> issue_node(const std::filesystem::path& authority_dir, std::string_view name,
                                        const std::filesystem::path& out_dir, const IssueOptions& options = {});

// The mesh that the authority in `authority_dir` stands for.
[[nodiscard]] Expected<std::string> authority_mesh(const std::filesystem::path& authority_dir);

}  // namespace hedgerow::security
