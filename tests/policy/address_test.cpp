#include "policy/address.h"

#include <catch2/catch.hpp>
#include <unordered_set>

using clawpatrol::Address;
using clawpatrol::effective;
using clawpatrol::is_loopback;
using clawpatrol::is_special_use;
using clawpatrol::Prefix;

namespace {

Address address(std::string_view text) {
  auto parsed = Address::parse(text);
  INFO(text);
  REQUIRE(parsed);
  return *parsed;
}

}  // namespace

TEST_CASE("an address has one spelling in text") {
  const std::pair<const char*, const char*> spellings[] = {
      {"10.1.2.3", "10.1.2.3"},
      {"::ffff:10.1.2.3", "10.1.2.3"},
      {"::ffff:a01:203", "10.1.2.3"},
      {"0:0:0:0:0:FFFF:0A01:0203", "10.1.2.3"},
      {"2001:DB8::0:1", "2001:db8::1"},
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"1:0:0:2::", "1:0:0:2::"},
      {"fe80::1", "fe80::1"},
      {"::0102:0304", "::102:304"},
  };
  for (auto [written, canonical] : spellings) CHECK(address(written).text() == canonical);
}

TEST_CASE("loopback is 127.0.0.0/8 and ::1, and nothing near them") {
  for (const char* text : {"127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"})
    CHECK(is_loopback(address(text)));
  for (const char* text :
       {"126.255.255.255", "128.0.0.1", "10.0.0.1", "0.0.0.0", "::", "::2", "::127.0.0.1", "1::1"})
    CHECK_FALSE(is_loopback(address(text)));
}

TEST_CASE("what is not a plain literal is no address") {
  for (const char* text : {"",
                           "localhost",
                           "10.1",
                           "10.1.2",
                           "010.1.2.3",
                           "10.1.2.256",
                           "0x0a.1.2.3",
                           "167838211",
                           "10.1.2.3 ",
                           " 10.1.2.3",
                           "10.1.2.3/8",
                           "[::1]",
                           "fe80::1%eth0",
                           ":::",
                           "1:2:3:4:5:6:7:8:9",
                           "::ffff:1.2.3",
                           "g::",
                           "1.2.3.4.5",
                           "٣.1.2.3",
                           "::ffff:0:0:0:0:0:0:0:1"})
    CHECK_FALSE(Address::parse(text));
  CHECK_FALSE(Address::parse(std::string_view("10.1.2.3\0", 9)));
  CHECK_FALSE(Address::parse(std::string(100, '1')));
}

TEST_CASE("equal addresses hash alike, and neighbours do not") {
  std::unordered_set<std::size_t> hashes;
  for (std::uint32_t i = 0; i < 10'000; ++i)
    hashes.insert(std::hash<Address>()(Address::from_v4(0x0a560000 + i)));
  CHECK(hashes.size() == 10'000);
  CHECK(std::hash<Address>()(address("::ffff:1.2.3.4")) == std::hash<Address>()(address("1.2.3.4")));
}

TEST_CASE("a prefix has no bits beyond its length") {
  for (const char* text :
       {"10.86.0.0/24", "0.0.0.0/0", "10.1.2.3/32", "fd86::/64", "::/0", "2001:db8::1/128", "fe80::/10"}) {
    INFO(text);
    auto prefix = Prefix::parse(text);
    REQUIRE(prefix);
    CHECK(prefix->text() == text);
  }
  for (const char* text :
       {"10.86.0.1/24", "10.86.0.0", "10.86.0.0/", "10.86.0.0/33", "10.86.0.0/024", "10.86.0.0/-1",
        "10.86.0.0/8 ", "fd86::1/64", "fd86::/129", "::ffff:10.0.0.0/104", "/8", "10.0.0.0/8/8", "fec0::/9"})
    CHECK_FALSE(Prefix::parse(text));
}

TEST_CASE("prefixes hold addresses of their own family only") {
  Prefix v4 = *Prefix::parse("10.86.0.0/23"), v6 = *Prefix::parse("::/0"), all = *Prefix::parse("0.0.0.0/0");
  CHECK(v4.contains(address("10.86.1.255")));
  CHECK(v4.contains(address("::ffff:10.86.1.255")));
  CHECK_FALSE(v4.contains(address("10.86.2.0")));
  CHECK_FALSE(v6.contains(address("10.86.0.1")));
  CHECK(v6.contains(address("2001:db8::1")));
  CHECK_FALSE(all.contains(address("2001:db8::1")));
  CHECK(all.overlaps(v4));
  CHECK(v4.overlaps(all));
  CHECK_FALSE(v4.overlaps(v6));
  CHECK_FALSE(v4.overlaps(*Prefix::parse("10.86.2.0/24")));
  CHECK(v4.overlaps(*Prefix::parse("10.86.1.128/25")));
}

TEST_CASE("the n-th address carries over byte borders") {
  CHECK(Prefix::parse("10.86.0.0/16")->nth(1).text() == "10.86.0.1");
  CHECK(Prefix::parse("10.86.0.0/16")->nth(65535).text() == "10.86.255.255");
  CHECK(Prefix::parse("fd86::/64")->nth(0x1'0000'0001).text() == "fd86::1:0:1");
  CHECK(Prefix::parse("fd86::ffff:ffff:ffff:ffff/128")->nth(1).text() == "fd86:0:0:1::");
  CHECK(Prefix::parse("fd86::/64")->nth(0x7fff'ffff'ffff'ffff).text() == "fd86::7fff:ffff:ffff:ffff");
}

TEST_CASE("attack 14: an address is reduced to what it reaches before it is checked") {
  const std::pair<const char*, const char*> spellings[] = {
      {"::ffff:169.254.169.254", "169.254.169.254"},
      {"::169.254.169.254", "169.254.169.254"},         // v4-compatible
      {"::ffff:0:169.254.169.254", "169.254.169.254"},  // SIIT
      {"64:ff9b::169.254.169.254", "169.254.169.254"},  // NAT64
      {"64:ff9b::a9fe:a9fe", "169.254.169.254"},
      {"2002:a9fe:a9fe::1", "169.254.169.254"},  // 6to4
      {"2002:7f00:1:1:2:3:4:5", "127.0.0.1"},
      {"2001:0:102:304:0:1234:5601:5601", "169.254.169.254"},  // Teredo, the client inverted
      {"2a00:1450:4001:81b:0:5efe:10.0.0.1", "10.0.0.1"},      // ISATAP
      {"2a00:1450:4001:81b:200:5efe:10.0.0.1", "10.0.0.1"},
  };
  for (auto [written, reached] : spellings) {
    INFO(written);
    CHECK(effective(address(written)).text() == reached);
    CHECK(is_special_use(address(written)));
  }
  CHECK(effective(address("::")).text() == "::");
  CHECK(effective(address("::1")).text() == "::1");
  CHECK(effective(address("2a00:1450::1")).text() == "2a00:1450::1");
  CHECK(effective(address("64:ff9b::8.8.8.8")).text() == "8.8.8.8");
  CHECK_FALSE(is_special_use(address("64:ff9b::8.8.8.8")));
  CHECK_FALSE(is_special_use(address("2002:808:808::1")));
}

TEST_CASE("attack 14: every special range is special from its first address to its last") {
  const std::pair<const char*, const char*> ranges[] = {
      {"0.0.0.0", "0.255.255.255"},
      {"10.0.0.0", "10.255.255.255"},
      {"100.64.0.0", "100.127.255.255"},
      {"127.0.0.0", "127.255.255.255"},
      {"169.254.0.0", "169.254.255.255"},
      {"172.16.0.0", "172.31.255.255"},
      {"192.0.0.0", "192.0.0.255"},
      {"192.0.2.0", "192.0.2.255"},
      {"192.31.196.0", "192.31.196.255"},
      {"192.52.193.0", "192.52.193.255"},
      {"192.88.99.0", "192.88.99.255"},
      {"192.168.0.0", "192.168.255.255"},
      {"192.175.48.0", "192.175.48.255"},
      {"198.18.0.0", "198.19.255.255"},
      {"198.51.100.0", "198.51.100.255"},
      {"203.0.113.0", "203.0.113.255"},
      {"224.0.0.0", "239.255.255.255"},
      {"240.0.0.0", "255.255.255.255"},
      {"::", "::1"},
      {"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"},
      {"100::", "100::ffff:ffff:ffff:ffff"},
      {"100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff"},
      {"2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"},
      {"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"},
      {"2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff"},
      {"3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"},
      {"3ffe::", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
      {"4000::",
       "5fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},  // SRv6's 5f00::/16 among what was never given out
      {"fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
      {"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
      {"fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
      {"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
  };
  for (auto [first, last] : ranges) {
    INFO(first << " to " << last);
    CHECK(is_special_use(address(first)));
    CHECK(is_special_use(address(last)));
  }
}

TEST_CASE("attack 14: Teredo is special when its server is, whoever the client") {
  // Server 10.0.0.1, client 8.8.8.8.
  CHECK(is_special_use(address("2001:0:a00:1:0:1234:f7f7:f7f7")));
  CHECK_FALSE(is_special_use(address("2001:0:808:808:0:1234:f7f7:f7f7")));
}

TEST_CASE("what lies beside the special ranges is not special") {
  for (const char* text : {"1.0.0.0",          "9.255.255.255",   "11.0.0.0",
                           "100.63.255.255",   "100.128.0.0",     "126.255.255.255",
                           "128.0.0.0",        "169.253.255.255", "169.255.0.0",
                           "172.15.255.255",   "172.32.0.0",      "192.0.1.0",
                           "192.167.255.255",  "192.169.0.0",     "198.17.255.255",
                           "198.20.0.0",       "223.255.255.255", "2001:200::1",
                           "2001:db7:ffff::1", "2001:db9::1",     "2a00:1450:4001:81b::200e",
                           "2620:4f:8001::1",  "3fff:1000::1",    "3ffd:ffff::1"})
    CHECK_FALSE(is_special_use(address(text)));
}
