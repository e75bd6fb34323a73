#include "policy/sql/settings.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string>

namespace clawpatrol::sql {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// As the server's clean_encoding_name(): letters and digits only, lower case.
std::string clean(std::string_view text) {
  std::string result;
  for (char c : lower(text)) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) result.push_back(c);
  }
  return result;
}

// pg_encname_tbl of PostgreSQL 15, without EUC_*, MULE_INTERNAL, JOHAB, SJIS, BIG5, GBK, GB18030, UHC and
// their aliases. Sorted.
constexpr std::array<std::string_view, 58> safe_encodings = {
    "abc",         "alt",         "iso88591",    "iso885910",   "iso885913",   "iso885914",   "iso885915",
    "iso885916",   "iso88592",    "iso88593",    "iso88594",    "iso88595",    "iso88596",    "iso88597",
    "iso88598",    "iso88599",    "koi8",        "koi8r",       "koi8u",       "latin1",      "latin10",
    "latin2",      "latin3",      "latin4",      "latin5",      "latin6",      "latin7",      "latin8",
    "latin9",      "sqlascii",    "tcvn",        "tcvn5712",    "unicode",     "utf8",        "vscii",
    "win",         "win1250",     "win1251",     "win1252",     "win1253",     "win1254",     "win1255",
    "win1256",     "win1257",     "win1258",     "win866",      "win874",      "windows1250", "windows1251",
    "windows1252", "windows1253", "windows1254", "windows1255", "windows1256", "windows1257", "windows1258",
    "windows866",  "windows874"};
static_assert(std::ranges::is_sorted(safe_encodings));

// A boolean that the server reads as on: any prefix of true and yes, on, 1.
bool is_on(std::string_view value) {
  std::string text = lower(value);
  if (text.empty()) return false;
  return text == "on" || text == "1" || std::string_view("true").starts_with(text) ||
         std::string_view("yes").starts_with(text);
}

constexpr std::string_view matters[] = {
    "allow_in_place_tablespaces",
    "allow_system_table_mods",
    "check_function_bodies",
    "default_table_access_method",
    "default_transaction_read_only",
    "dynamic_library_path",
    "event_triggers",
    "exit_on_error",
    "ignore_checksum_failure",
    "ignore_invalid_pages",
    "ignore_system_indexes",
    "jit_provider",
    "lo_compat_privileges",
    "local_preload_libraries",
    "log_statement",
    "password_encryption",
    "role",
    "row_security",
    "search_path",
    "session authorization",
    "session_authorization",
    "session_preload_libraries",
    "session_replication_role",
    "shared_preload_libraries",
    "temp_tablespaces",
    "transaction_read_only",
    "transform_null_equals",
    "zero_damaged_pages",
};
static_assert(std::ranges::is_sorted(matters));

struct SettingClass {
  std::string_view name;
  Classes classes;
};
constexpr SettingClass classed_settings[] = {
    {"archive_cleanup_command", class_program},
    {"archive_command", class_program},
    {"archive_library", class_code},
    {"config_file", class_file},
    {"data_directory", class_file},
    {"dynamic_library_path", class_code},
    {"external_pid_file", class_file},
    {"hba_file", class_file},
    {"ident_file", class_file},
    {"jit_provider", class_code},
    {"krb_server_keyfile", class_file},
    {"local_preload_libraries", class_code},
    {"log_directory", class_file},
    {"log_filename", class_file},
    {"plperl.on_init", class_code},
    {"plperl.on_plperl_init", class_code},
    {"plperl.on_plperlu_init", class_code},
    {"pltcl.start_proc", class_code},
    {"pltclu.start_proc", class_code},
    {"primary_conninfo", class_network},
    {"promote_trigger_file", class_file},
    {"recovery_end_command", class_program},
    {"restore_command", class_program},
    {"session_preload_libraries", class_code},
    {"shared_preload_libraries", class_code},
    {"ssl_ca_file", class_file},
    {"ssl_cert_file", class_file},
    {"ssl_crl_dir", class_file},
    {"ssl_crl_file", class_file},
    {"ssl_dh_params_file", class_file},
    {"ssl_key_file", class_file},
    {"ssl_passphrase_command", class_program},
    {"stats_temp_directory", class_file},
};
static_assert(std::ranges::is_sorted(classed_settings, {}, &SettingClass::name));

}  // namespace

bool is_safe_encoding(std::string_view name) {
  return std::ranges::binary_search(safe_encodings, clean(name));
}

bool decides_reading(std::string_view name) {
  std::string setting = lower(name);
  return setting == "standard_conforming_strings" || setting == "client_encoding" || setting == "names";
}

bool begins_with_reading_setting(std::string_view name) {
  std::string setting = lower(name);
  return (setting.starts_with("standard_conforming_strings") || setting.starts_with("client_encoding")) &&
         !decides_reading(setting);
}

ReadingGuard guard_setting(std::string_view name, std::optional<std::string_view> value) {
  std::string setting = lower(name);
  if (setting == "standard_conforming_strings") {
    return value && is_on(*value) ? ReadingGuard::none : ReadingGuard::refused;
  }
  // `names` is how a startup packet of old clients could say it; harmless to know.
  if (setting == "client_encoding" || setting == "names") {
    return value && is_safe_encoding(*value) ? ReadingGuard::none : ReadingGuard::refused;
  }
  return ReadingGuard::none;
}

// Another role has another schema of its own.
PathEffect path_effect(std::string_view name, std::optional<std::string_view> value) {
  const std::string setting = lower(name);
  const bool role = setting == "role" || setting == "session_authorization";
  if (!role && setting != "search_path") return {};
  if (!value) return {.kind = PathEffect::Kind::uncertain, .path = {}, .of_role = role};
  if (!role) return path_from_text(*value);
  return {.kind = PathEffect::Kind::add, .path = path_from_names({std::string(*value)}), .of_role = true};
}

bool setting_matters(std::string_view name) {
  return std::ranges::binary_search(matters, lower(name));
}

Classes setting_classes(std::string_view name) {
  std::string setting = lower(name);
  const SettingClass* found =
      std::ranges::lower_bound(classed_settings, std::string_view(setting), {}, &SettingClass::name);
  return found != std::end(classed_settings) && found->name == setting ? found->classes : class_none;
}

bool mentions_reading_settings(std::string_view text) {
  std::string body = lower(text);
  for (std::string_view word :
       {"standard_conforming_strings", "client_encoding", "set_config", "pg_settings"}) {
    if (body.find(word) != std::string::npos) return true;
  }
  // SET NAMES, with whatever white space between.
  for (std::size_t at = body.find("names"); at != std::string::npos; at = body.find("names", at + 1)) {
    std::size_t end = body.find_last_not_of(" \t\r\n\f\v", at == 0 ? 0 : at - 1);
    if (end != std::string::npos && end + 1 < at && end >= 2 && body.compare(end - 2, 3, "set") == 0)
      return true;
  }
  return false;
}

}  // namespace clawpatrol::sql
