#include "cpctl/cases/recorded.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "cpctl/cases/recorded_request.h"
#include "daemon/audit/line_file.h"
#include "daemon/gateway/audit_line.h"
#include "policy/cel/time.h"
#include "policy/json/read.h"
#include "policy/sql/analysis.h"

namespace clawpatrol::cpctl {
namespace {

constexpr std::string_view awaiting = "undecided until the parameters are known";  // as decide() says
constexpr std::size_t most_text_bytes = std::size_t{256} << 20;

const Json* member(const Json& object, const char* name) {
  auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

std::string text_of(const Json& object, const char* name) {
  const Json* found = member(object, name);
  return found && found->is_string() ? found->get<std::string>() : std::string();
}

bool holds(const Json& list, std::string_view name) {
  return std::ranges::any_of(list, [&](const Json& item) { return item.is_string() && item == name; });
}

// "host:port"; an IPv6 address has colons of its own.
std::optional<DestFacets> dest_of(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return std::nullopt;
  DestFacets dest{std::string(text.substr(0, colon)), 0};
  const std::string_view port = text.substr(colon + 1);
  auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), dest.port);
  if (failure != std::errc() || end != port.data() + port.size() || dest.host.empty()) return std::nullopt;
  return dest;
}

std::optional<ActionType> type_of(std::string_view name) {
  for (std::size_t i = 0; i <= static_cast<std::size_t>(ActionType::message); ++i)
    if (clawpatrol::name_of(static_cast<ActionType>(i)) == name) return static_cast<ActionType>(i);
  return std::nullopt;
}

std::optional<ActionKind> kind_of(std::string_view name) {
  for (std::size_t i = 0; i <= static_cast<std::size_t>(ActionKind::exec); ++i)
    if (clawpatrol::name_of(static_cast<ActionKind>(i)) == name) return static_cast<ActionKind>(i);
  return std::nullopt;
}

// Members of `facets` that are of the connection or of the parameters, and not of the statement.
bool is_beside_statement(std::string_view name) {
  return name == "database" || name == "user" || name == "declared_user" || name.starts_with("params");
}

// What a line says of a statement, to be compared with what its text says.
Json of_statement(const Json& facets) {
  Json out = Json::object();
  for (const auto& [name, value] : facets.items())
    if (!is_beside_statement(name)) out[name] = value;
  return out;
}

bool says(const SqlFacets& analysed, const Json& line) {
  auto own = read_json("{" + facets_json(analysed) + "}");
  return own && *own == line;
}

class LineReader {
 public:
  LineReader(const Json& line, const LongTexts& texts, const Policy& policy)
      : line_(line), texts_(texts), policy_(policy) {}

  Recorded read() {
    Recorded out;
    out.id = text_of(line_, "id");
    out.endpoint = text_of(line_, "endpoint");
    out.text = text_of(line_, "text");
    if (const Json* generation = member(line_, "generation"); generation && generation->is_number_unsigned())
      out.generation = generation->get<std::uint64_t>();
    Case& wanted = out.wanted;
    wanted.name = out.id;
    wanted.peer = text_of(line_, "peer");
    wanted.address = text_of(line_, "address");
    wanted.dest = dest_of(text_of(line_, "dest"));
    // What was denied with another statement of its message was allowed by itself.
    wanted.verdict = text_of(line_, "verdict") == "deny" ? Expected::deny : Expected::allow;
    wanted.rule = text_of(line_, "rule");
    if (std::string reason = text_of(line_, "reason"); !reason.empty()) wanted.reason = reason;
    out.lacking = read_common(wanted);
    if (out.lacking.empty()) out.lacking = read_action(out);
    return out;
  }

 private:
  std::string read_common(Case& wanted) {
    auto type = type_of(text_of(line_, "type"));
    auto time = cel::parse_timestamp(text_of(line_, "time"));
    if (!type || !time || time->kind != cel::Kind::timestamp) return "of an unknown kind";
    wanted.type = *type;
    wanted.time_unix_ns = time->integer * 1'000'000'000 + time->size;
    const bool refused = !text_of(line_, "guard").empty() && text_of(line_, "guard") != "observe";
    // The login's own guards are about credentials, which a policy may change.
    if (refused && wanted.type != ActionType::login) return "refused by the gateway itself";
    if (!wanted.dest && wanted.type != ActionType::dns) return "without a destination";
    return {};
  }

  std::string read_action(Recorded& out) {
    Case& wanted = out.wanted;
    const Json* facets = member(line_, "facets");
    if (wanted.type == ActionType::login) return read_login(wanted);
    if (wanted.type == ActionType::dns) return read_dns(wanted, facets);
    if (wanted.type == ActionType::message)
      return "a message of a WebSocket, of which no line holds the text";
    if (wanted.type == ActionType::request) {
      auto kind = kind_of(text_of(line_, "kind"));
      if (!kind || !facets || !facets->is_object()) return "without facets";
      wanted.credential = text_of(line_, "credential");
      auto endpoint = policy_.endpoints.find(out.endpoint);
      const bool kubernetes = member(*facets, "verb") || (endpoint != policy_.endpoints.end() &&
                                                          endpoint->second.type == EndpointType::kubernetes);
      return read_request(*facets, *kind, kubernetes, wanted);
    }
    if (wanted.type == ActionType::connect) return state_bare(wanted);
    if (wanted.type == ActionType::cancel) return {};
    if (!facets || !facets->is_object()) {
      // A call by number: of whom is known by its credential alone.
      wanted.credential = text_of(line_, "credential");
      wanted.unheld = {FacetId::sql_database, FacetId::sql_user, FacetId::sql_declared_user};
      const bool bare = wanted.type == ActionType::function_call || wanted.type == ActionType::replication;
      return bare ? "" : "without facets";
    }
    wanted.user = text_of(*facets, "declared_user");
    wanted.database = text_of(*facets, "database");
    constexpr std::string_view startup = "startup parameter ";
    if (out.text.starts_with(startup)) return read_startup(wanted, out.text.substr(startup.size()));
    return read_statement(out, *facets);
  }

  static std::string read_startup(Case& wanted, std::string_view text) {
    const std::size_t equals = text.find(" = ");
    if (equals == text.npos) return "a startup parameter that was cut";
    wanted.type = ActionType::login;
    wanted.startup.emplace_back(text.substr(0, equals), text.substr(equals + 3));
    if (wanted.verdict == Expected::allow) wanted.rule.reset(), wanted.reason.reset();
    return {};
  }

  // login of "USER" to "DATABASE" with NAME = VALUE, ...
  std::string read_login(Case& wanted) const {
    std::string text = text_of(line_, "text");
    constexpr std::string_view opening = "login of \"", middle = "\" to \"";
    const std::size_t to = text.find(middle);
    if (!text.starts_with(opening) || to == text.npos) return "a login whose line does not say of whom";
    // Names may hold quotes, which can be read in more ways than one.
    if (std::ranges::count(text, '"') != 4) return "a login of names that hold quotes";
    const std::size_t begin = to + middle.size(), end = text.find('"', begin);
    wanted.user = text.substr(opening.size(), to - opening.size());
    if (end == text.npos || wanted.user.find('"') != wanted.user.npos)
      return "a login whose line does not say of whom";
    wanted.database = text.substr(begin, end - begin);
    return {};
  }

  std::string read_dns(Case& wanted, const Json* facets) {
    if (!facets) return "without facets";
    std::string why = state_bare(wanted);
    if (!why.empty()) return why;
    auto stated = std::make_shared<StatedAction>(*wanted.stated);
    stated->dns = {text_of(*facets, "dns.name"), text_of(*facets, "dns.type")};
    for (FacetId id : {FacetId::dns_name, FacetId::dns_type})
      stated->stated.set(static_cast<std::size_t>(id));
    wanted.stated = std::move(stated);
    return {};
  }

  // An action of which there is nothing but its kind.
  std::string state_bare(Case& wanted) const {
    auto kind = kind_of(text_of(line_, "kind"));
    if (!kind) return "of an unknown kind";
    auto stated = std::make_shared<StatedAction>();
    stated->type = wanted.type;
    stated->kind = *kind;
    stated->stated.set(static_cast<std::size_t>(FacetId::action_kind));
    wanted.stated = std::move(stated);
    return {};
  }

  std::string read_statement(Recorded& out, const Json& facets) {
    Case& wanted = out.wanted;
    const bool cut = member(facets, "statement_sha256") != nullptr;
    const std::string digest = text_of(facets, "statement_sha256");
    const std::string* whole = cut ? texts_.find(digest) : nullptr;
    if (cut && !whole) return "a long statement whose text is not in what was read";
    if (!cut && !member(facets, "statement")) return "a statement that was not whole";
    const std::string sql = cut ? *whole : text_of(facets, "statement");
    if (out.text.empty()) out.text = sql.substr(0, longest_excerpt);
    if (std::string why = read_params(wanted, facets); !why.empty()) return why;
    const sql::Analysis analysis = sql::analyse(sql, options());
    const Json line = of_statement(facets);
    const bool one = analysis.statements.size() == 1;
    if (one && says(analysis.statements[0].facets, line) && wanted.type == ActionType::statement &&
        analysis.statements[0].kind == kind_of(text_of(line_, "kind"))) {
      wanted.sql = sql;
      return {};
    }
    const Json* count = member(facets, "statements");
    if (one && count && count->is_number_integer()) {
      SqlFacets of_many = analysis.statements[0].facets;
      of_many.statements = count->get<std::int64_t>();
      if (says(of_many, line)) {
        wanted.statement_of_message = sql;
        return state(wanted, std::move(of_many));
      }
    }
    return read_facets(wanted, facets, sql);
  }

  sql::Options options() const {
    auto endpoint = policy_.endpoints.find(text_of(line_, "endpoint"));
    sql::Options options = endpoint == policy_.endpoints.end() ? sql::Options() : endpoint->second.sql;
    options.asked = {};  // another policy may judge it
    return options;
  }

  static std::string read_params(Case& wanted, const Json& facets) {
    const Json* params = member(facets, "params");
    if (member(facets, "params_count")) return "parameters that were cut";
    if (!params) {
      // A Query has none, and those of a Bind may not have been decoded: that looks alike. A Parse that waits
      // for them says so.
      const bool waits = wanted.verdict == Expected::allow && wanted.reason == awaiting;
      if (waits) wanted.params = Case::Params::pending, wanted.verdict = Expected::undecided;
      if (!waits) wanted.unheld.push_back(FacetId::sql_params);
      return {};
    }
    wanted.params = Case::Params::given;
    for (const Json& value : *params)
      wanted.values.push_back(value.is_string() ? std::optional(value.get<std::string>()) : std::nullopt);
    return {};
  }

  // What is in the line and is not the text's: a statement that runs another by name. Its columns and
  // constants are not written down.
  std::string read_facets(Case& wanted, const Json& facets, const std::string& sql) {
    if (member(facets, "cut")) return "lists that were cut";
    if (!text_of(facets, "unknown").empty() || !text_of(facets, "statement_unknown").empty())
      return "facets that were not known";
    static const Json none = Json::array();
    const Json* open = member(facets, "open");
    const auto list = [&](const char* name) {
      NameList out;
      if (const Json* items = member(facets, name))
        for (const Json& item : *items) out.items.push_back(item.get<std::string>());
      out.open = holds(open ? *open : none, name);
      return out;
    };
    SqlFacets made;
    made.statement = sql;
    made.verb = text_of(facets, "verb");
    made.verbs = list("verbs"), made.tables = list("tables"), made.reads = list("reads");
    made.writes = list("writes"), made.functions = list("functions"), made.classes = list("classes");
    made.unbounded = member(facets, "unbounded") != nullptr;
    const std::string copy = text_of(facets, "copy");
    const std::size_t blank = std::min(copy.find(' '), copy.size());
    made.copy = CopyFacet{copy.substr(0, blank), blank < copy.size() ? copy.substr(blank + 1) : ""};
    const Json* count = member(facets, "statements");
    made.statements = count ? count->get<std::int64_t>() : 1;
    wanted.unheld.insert(wanted.unheld.end(), {FacetId::sql_columns, FacetId::sql_literals});
    return state(wanted, std::move(made));
  }

  std::string state(Case& wanted, SqlFacets facets) {
    std::string why = state_bare(wanted);
    if (!why.empty()) return why;
    auto stated = std::make_shared<StatedAction>(*wanted.stated);
    stated->sql = std::move(facets);
    stated->sql_params = wanted.params == Case::Params::given     ? SqlParams(std::move(wanted.values))
                         : wanted.params == Case::Params::pending ? SqlParams(Unknown::pending)
                                                                  : SqlParams(SqlParams::Value());
    const bool has_params = wanted.params != Case::Params::none;
    stated->stated.set(static_cast<std::size_t>(FacetId::sql_params), has_params);
    wanted.params = Case::Params::none;
    wanted.values.clear();
    wanted.stated = std::move(stated);
    return {};
  }

  const Json& line_;
  const LongTexts& texts_;
  const Policy& policy_;
};

}  // namespace

bool LongTexts::add(std::string digest, std::string text) {
  if (bytes_ + text.size() > most_text_bytes) return false;
  bytes_ += text.size();
  texts_.emplace(std::move(digest), std::move(text));
  return true;
}

const std::string* LongTexts::find(const std::string& digest) const {
  auto found = texts_.find(digest);
  return found == texts_.end() ? nullptr : &found->second;
}

std::expected<std::optional<Recorded>, std::string> read_recorded(std::string_view text, LongTexts& texts,
                                                                  const Policy& policy) {
  auto line = read_json(text);
  if (!line || !line->is_object()) return std::unexpected("it is no line of an audit log");
  if (text_of(*line, "type") == "text") {
    texts.add(text_of(*line, "sha256"), text_of(*line, "text"));
    return std::nullopt;
  }
  if (!member(*line, "verdict") || !member(*line, "id")) return std::nullopt;
  try {
    return LineReader(*line, texts, policy).read();
  } catch (const nlohmann::json::exception&) {
    return std::unexpected("it is no line of an audit log");  // a member of another type
  }
}

std::expected<void, std::string> for_each_line(const std::filesystem::path& path,
                                               const std::function<void(std::string_view)>& each) {
  std::vector<std::filesystem::path> files = {path};
  std::error_code failure;
  if (std::filesystem::is_directory(path, failure)) {
    files.clear();
    auto segments = audit::list_segments(path);
    if (!segments) return std::unexpected(segments.error().what);
    for (const auto& segment : *segments) files.push_back(path / segment.name);
    if (files.empty()) return std::unexpected(fmt::format("there is no audit log in '{}'", path.string()));
  }
  for (const auto& file : files) {
    auto lines = audit::LineFile::open(file);
    if (!lines) return std::unexpected(lines.error().what);
    for (;;) {
      auto line = lines->next();
      if (!line) return std::unexpected(line.error().what);
      if (!*line) break;
      each(**line);
    }
  }
  return {};
}

}  // namespace clawpatrol::cpctl
