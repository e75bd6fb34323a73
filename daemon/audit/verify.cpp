#include "daemon/audit/verify.h"

#include <fmt/format.h>

#include "daemon/audit/line_file.h"
#include "daemon/audit/scan.h"

namespace clawpatrol::audit {

namespace {

// What the next segment says of the one before it.
struct Continuation {
  std::uint64_t last_seq = 0;
  std::optional<SegmentStart> start;
};

std::optional<SegmentStart> read_start(const std::filesystem::path& path) {
  auto file = LineFile::open(path);
  if (!file) return std::nullopt;
  auto text = file->next();
  if (!text || !*text) return std::nullopt;
  auto line = parse_line(**text);
  return line ? parse_segment_start(line->body) : std::nullopt;
}

class Verification {
 public:
  Verification(const std::filesystem::path& directory, const Key& key, const std::optional<Head>& head)
      : directory_(directory), key_(key), head_(head) {
    if (head_) report_.head_check = HeadCheck::missing;
  }

  std::expected<Report, Error> run() {
    auto files = list_segments(directory_);
    if (!files) return std::unexpected(files.error());
    for (std::size_t at = 0; at < files->size(); ++at) {
      const SegmentFile* next = at + 1 < files->size() ? &(*files)[at + 1] : nullptr;
      auto scanned = segment((*files)[at], next);
      if (!scanned) return std::unexpected(scanned.error());
    }
    check_oldest(*files);
    check_head();
    return std::move(report_);
  }

 private:
  std::expected<void, Error> segment(const SegmentFile& file, const SegmentFile* next) {
    auto reader = LineFile::open(directory_ / file.name);
    // Pruned since the directory was listed.
    if (!reader && reader.error().code == ENOENT && report_.segments == 0) return {};
    if (!reader) return std::unexpected(reader.error());
    Continuation after;
    if (next != nullptr) after = {next->first_seq - 1, read_start(directory_ / next->name)};
    bool gap = after.start && after.start->previous != file.name;  // a whole segment between them is missing
    std::optional<std::uint64_t> last_seq;
    if (next != nullptr && !gap) last_seq = after.last_seq;
    SegmentScan scan(key_, file.name, file.first_seq, last_seq);
    for (;;) {
      auto text = reader->next();
      if (!text) return std::unexpected(text.error());
      if (!*text) break;
      scan.add(**text, reader->offset());
      note_group(scan);
    }
    scan.finish(reader->torn_bytes());
    take(file, scan, gap, after);
    return {};
  }

  // Looks for the head among the groups as they pass.
  void note_group(const SegmentScan& scan) {
    if (!head_ || !scan.verified() || scan.verified()->seq != head_->seq) return;
    if (hexadecimal(scan.verified()->mac) == head_->mac) report_.head_check = HeadCheck::found;
  }

  void take(const SegmentFile& file, SegmentScan& scan, bool gap, const Continuation& after) {
    check_start(file, scan);
    for (Finding& finding : scan.findings()) {
      // With the next segment gone there is no telling where this one ended.
      if (gap && finding.kind == FindingKind::torn_tail) continue;
      report_.findings.push_back(std::move(finding));
    }
    if (gap) {
      add(FindingKind::removed, file.name, 0,
          fmt::format("segments between this one and {} are missing", segment_name(after.last_seq + 1)));
    } else if (after.start && scan.tail_bytes() > after.start->abandoned) {
      add(FindingKind::inserted, file.name, 0,
          fmt::format("{} bytes stand behind its end, {} were left there", scan.tail_bytes(),
                      after.start->abandoned));
    }
    ++report_.segments;
    report_.lines += scan.lines();
    report_.groups += scan.groups();
    if (report_.first_seq == 0) report_.first_seq = file.first_seq;
    if (scan.claimed()) {
      report_.last_seq = scan.claimed()->seq;
      std::string boot = scan.start() ? hexadecimal(scan.start()->boot) : "";
      report_.head = Head{scan.claimed()->seq, hexadecimal(scan.claimed()->mac), boot};
    }
    before_ = gap ? std::nullopt : scan.claimed();
    if (scan.start() && scan.verified()) oldest_ = scan.start()->oldest;
  }

  // Does a segment go on where the one before it ended?
  void check_start(const SegmentFile& file, const SegmentScan& scan) {
    if (!scan.start()) return;
    const SegmentStart& start = *scan.start();
    if (start.origin == Origin::recovered || start.origin == Origin::replaced) {
      report_.breaks.push_back({file.name, std::string(name_of(start.origin)), start.abandoned});
    }
    if (report_.segments > 0 && start.origin == Origin::started) {
      add(FindingKind::inserted, file.name, 1, "begins a log of its own behind another");
    } else if (before_ && before_->seq + 1 == file.first_seq && before_->mac != start.head) {
      add(FindingKind::changed, file.name, 1, "does not go on where the segment before it ended");
    }
  }

  void check_oldest(const std::vector<SegmentFile>& files) {
    if (files.empty() || report_.first_seq <= oldest_ || oldest_ == 0) return;
    add(FindingKind::removed, files.front().name, 0,
        fmt::format("seq {} to {} were not pruned and are missing", oldest_, report_.first_seq - 1));
  }

  void check_head() {
    if (report_.head_check != HeadCheck::missing) return;
    if (report_.segments > 0 && head_->seq < report_.first_seq) {
      report_.head_check = HeadCheck::pruned;
      return;
    }
    std::string file = report_.head ? "" : directory_.string();
    if (report_.last_seq < head_->seq) {
      add(FindingKind::cut_tail, file, 0,
          fmt::format("the log ends at seq {}, the head is at {}", report_.last_seq, head_->seq));
    } else {
      add(FindingKind::cut_tail, file, 0,
          fmt::format("seq {} is not the end of the group that the head names: cut there and written anew",
                      head_->seq));
    }
    report_.findings.back().seq = head_->seq;
  }

  void add(FindingKind kind, const std::string& file, std::uint64_t line, std::string what) {
    report_.findings.push_back(Finding{kind, file, line, 0, std::move(what)});
  }

  const std::filesystem::path& directory_;
  const Key& key_;
  const std::optional<Head>& head_;
  Report report_;
  std::optional<Committed> before_;  // the end of the segment before
  std::uint64_t oldest_ = 0;         // what the newest segment says that the log begins with
};

}  // namespace

std::expected<Report, Error> verify(const std::filesystem::path& directory, const Key& key,
                                    const std::optional<Head>& head) {
  return Verification(directory, key, head).run();
}

}  // namespace clawpatrol::audit
