// Datagram sockets: batches of datagrams through a shared block, sender addresses in packed form, multicast groups.
#include "datagram.h"

#include <arpa/inet.h>
#include <napi.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "environment.h"

namespace underloop {

// What one environment keeps for datagrams, made when the first datagram socket is.
struct Datagrams {
  SharedBlock* block = SharedBlock::Make(kDatagramBlockBytes);
  Datagram incoming[kDatagramsMax];
  Datagram outgoing[kDatagramsMax];
  std::unique_ptr<DatagramCalls> calls;
  size_t slot_bytes = 0;  // the distance of the slots that `incoming` points to
  size_t bytes_max = 0;

  Datagrams() { UseManyAtOnce(); }
  ~Datagrams() { block->Unref(); }
  bool UseManyAtOnce() {
    auto many = MakeManyAtOnce(incoming, outgoing);
    const bool there = many != nullptr;
    calls = there ? std::move(many) : MakeOneByOne(incoming, outgoing);
    return there;
  }
  void UseOneByOne() { calls = MakeOneByOne(incoming, outgoing); }
};

namespace {

// A packed address, as src/kernel/packed-address.ts reads and writes it: family (0 none, 1 Unix, 4, 6), bytes of a Unix
// name, port (big endian), scope of an IPv6 address (little endian), and from 8 on the address or the name itself.
constexpr size_t kPackedHead = 8;

void Pack(const Datagram& row, uint8_t* packed) {
  memset(packed, 0, kPackedHead);
  if (row.address_length == 0) return;
  if (row.address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&row.address);
    packed[0] = 4;
    memcpy(packed + 2, &v4->sin_port, 2);
    memcpy(packed + kPackedHead, &v4->sin_addr, 4);
  } else if (row.address.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&row.address);
    packed[0] = 6;
    memcpy(packed + 2, &v6->sin6_port, 2);
    for (int i = 0; i < 4; i++) packed[4 + i] = static_cast<uint8_t>(v6->sin6_scope_id >> (8 * i));
    memcpy(packed + kPackedHead, &v6->sin6_addr, 16);
  } else if (row.address.ss_family == AF_UNIX) {
    const auto* name = reinterpret_cast<const sockaddr_un*>(&row.address);
    size_t length =
        row.address_length - std::min<size_t>(row.address_length, offsetof(sockaddr_un, sun_path));
    length = std::min(length, sizeof name->sun_path);
    // An abstract name counts in full; a path ends at its zero (unix(7)).
    if (length > 0 && name->sun_path[0] != '\0') length = strnlen(name->sun_path, length);
    packed[0] = length > 0 ? 1 : 0;
    packed[1] = static_cast<uint8_t>(length);
    memcpy(packed + kPackedHead, name->sun_path, length);
  }
}

// The other way. Gives false for what is no address.
bool Unpack(const uint8_t* packed, Datagram* row) {
  memset(&row->address, 0, sizeof row->address);
  if (packed[0] == 4) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&row->address);
    v4->sin_family = AF_INET;
    memcpy(&v4->sin_port, packed + 2, 2);
    memcpy(&v4->sin_addr, packed + kPackedHead, 4);
    row->address_length = sizeof *v4;
  } else if (packed[0] == 6) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&row->address);
    v6->sin6_family = AF_INET6;
    memcpy(&v6->sin6_port, packed + 2, 2);
    for (int i = 0; i < 4; i++) v6->sin6_scope_id |= static_cast<uint32_t>(packed[4 + i]) << (8 * i);
    memcpy(&v6->sin6_addr, packed + kPackedHead, 16);
    row->address_length = sizeof *v6;
  } else if (packed[0] == 1) {
    auto* name = reinterpret_cast<sockaddr_un*>(&row->address);
    const size_t length = packed[1];
    if (length == 0 || length > sizeof name->sun_path) return false;
    name->sun_family = AF_UNIX;
    memcpy(name->sun_path, packed + kPackedHead, length);
    const bool ends = name->sun_path[0] != '\0' && length < sizeof name->sun_path;
    row->address_length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length + (ends ? 1 : 0));
  } else {
    return false;
  }
  return true;
}

Datagrams* DatagramsOf(Environment* environment) {
  if (environment->datagrams == nullptr) environment->datagrams = std::make_shared<Datagrams>();
  return environment->datagrams.get();
}

// () => the shared block
napi_value DatagramBlock(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  return DatagramsOf(arguments.environment)->block->ToArrayBuffer(env);
}

// (one: 1 one call for each, 0 many at once where there is such a call) => whether many go at once now
napi_value DatagramsOneByOne(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  Datagrams* datagrams = DatagramsOf(arguments.environment);
  if (arguments.Int(0) != 1) return Result(env, datagrams->UseManyAtOnce() ? 1 : 0);
  datagrams->UseOneByOne();
  return Result(env, 0);
}

// A system call filter may know recvmmsg and sendmmsg no more than an old system does.
template <int (DatagramCalls::*Call)(int, int)>
int Move(Datagrams* datagrams, int fd, int count) {
  const int done = (datagrams->calls.get()->*Call)(fd, count);
  if (done != -ENOSYS) return done;
  datagrams->UseOneByOne();
  return (datagrams->calls.get()->*Call)(fd, count);
}

// (fd, count, bytesMax) => how many datagrams came; each in its slot of the block, with its row of the table
napi_value ReceiveDatagrams(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  Datagrams* datagrams = DatagramsOf(arguments.environment);
  const int count = arguments.Int(1);
  const auto bytes_max = static_cast<size_t>(arguments.Int(2));
  // Slots that are a power of two apart would meet in the same few places of the core's cache: hence one line more.
  const size_t slot_bytes = ((bytes_max + 63) & ~size_t{63}) + 64;
  if (count < 1 || count > kDatagramsMax || arguments.Int(2) < 1 ||
      slot_bytes * static_cast<size_t>(count) > kSlotsBytes) {
    return Result(env, -EINVAL);
  }
  uint8_t* block = datagrams->block->data();
  if (bytes_max != datagrams->bytes_max) {
    datagrams->bytes_max = bytes_max;
    datagrams->slot_bytes = slot_bytes;
    for (size_t i = 0; i < kDatagramsMax; i++) {
      datagrams->incoming[i].piece = {block + kSlotsAt + i * slot_bytes, bytes_max};
    }
  }
  const int done = Move<&DatagramCalls::Receive>(datagrams, arguments.Int(0), count);
  auto* table = reinterpret_cast<int32_t*>(block);
  for (int i = 0; i < done; i++) {
    const Datagram& row = datagrams->incoming[i];
    int32_t* numbers = table + static_cast<size_t>(i) * kRowNumbers;
    numbers[0] = static_cast<int32_t>(kSlotsAt + static_cast<size_t>(i) * slot_bytes);
    numbers[1] = static_cast<int32_t>(std::min(row.length, bytes_max));
    numbers[2] = row.truncated ? 1 : 0;
    numbers[3] = static_cast<int32_t>(row.length);
    Pack(row, block + kAddressesAt + static_cast<size_t>(i) * kAddressBytes);
  }
  return Result(env, done);
}

// (fd, bytes, table: Int32Array, first, count) => how many datagrams went, or -errno when the first of them did not.
// Rows of the table: where in `bytes` the packed address stands (-1: none), start, end.
napi_value SendDatagrams(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  Datagrams* datagrams = DatagramsOf(arguments.environment);
  napi_typedarray_type type;
  size_t size = 0;
  size_t numbers = 0;
  void* bytes = nullptr;
  void* table = nullptr;
  if (napi_get_typedarray_info(env, arguments.values[1], &type, &size, &bytes, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array || bytes == nullptr ||
      napi_get_typedarray_info(env, arguments.values[2], &type, &numbers, &table, nullptr, nullptr) !=
          napi_ok ||
      type != napi_int32_array || table == nullptr) {
    return Result(env, -EFAULT);
  }
  const int first = arguments.Int(3);
  const int count = arguments.Int(4);
  if (first < 0 || count < 1 || count > kDatagramsMax ||
      (static_cast<size_t>(first) + static_cast<size_t>(count)) * kRowNumbers > numbers) {
    return Result(env, -EINVAL);
  }
  for (int i = 0; i < count; i++) {
    const int32_t* row = static_cast<const int32_t*>(table) + static_cast<size_t>(first + i) * kRowNumbers;
    const int32_t start = row[1];
    const int32_t end = row[2];
    if (start < 0 || end < start || static_cast<size_t>(end) > size) return Result(env, -EFAULT);
    Datagram& datagram = datagrams->outgoing[i];
    datagram.piece = {static_cast<uint8_t*>(bytes) + start, static_cast<size_t>(end - start)};
    datagram.address_length = 0;
    if (row[0] < 0) continue;
    if (static_cast<size_t>(row[0]) + kAddressBytes > size ||
        !Unpack(static_cast<const uint8_t*>(bytes) + row[0], &datagram)) {
      return Result(env, -EINVAL);
    }
  }
  return Result(env, Move<&DatagramCalls::Send>(datagrams, arguments.Int(0), count));
}

// An interface by name or number; 0 lets the system choose; -1: there is none of that name.
int InterfaceOf(const char* text) {
  if (text[0] == '\0') return 0;
  const unsigned index = if_nametoindex(text);
  if (index != 0) return static_cast<int>(index);
  char* end = nullptr;
  const long number = strtol(text, &end, 10);
  return *end == '\0' && number > 0 ? static_cast<int>(number) : -1;
}

enum Membership { kLeave = 0, kJoin = 1, kOutgoing = 2 };

// (fd, action, family, group, interface) => 0 or -errno; ip(7), ipv6(7). `interface`: a name, a number, a local IPv4
// address, or empty.
napi_value SetMembership(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const int fd = arguments.Int(0);
  const int action = arguments.Int(1);
  char group[INET6_ADDRSTRLEN] = "";
  char interface[INET6_ADDRSTRLEN + IF_NAMESIZE] = "";
  size_t length = 0;
  if (napi_get_value_string_utf8(env, arguments.values[3], group, sizeof group, &length) != napi_ok ||
      napi_get_value_string_utf8(env, arguments.values[4], interface, sizeof interface, &length) != napi_ok) {
    return Result(env, -EINVAL);
  }
  int done;
  if (arguments.Int(2) == 6) {
    ipv6_mreq request{};
    const int index = InterfaceOf(interface);
    if (index < 0) return Result(env, -ENODEV);
    request.ipv6mr_interface = static_cast<unsigned>(index);
    if (action == kOutgoing) {
      done = setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof index);
    } else {
      if (inet_pton(AF_INET6, group, &request.ipv6mr_multiaddr) != 1) return Result(env, -EINVAL);
      done = setsockopt(fd, IPPROTO_IPV6, action == kJoin ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &request,
                        sizeof request);
    }
  } else {
    ip_mreqn request{};
    if (inet_pton(AF_INET, interface, &request.imr_address) != 1) {
      request.imr_ifindex = InterfaceOf(interface);
      if (request.imr_ifindex < 0) return Result(env, -ENODEV);
    }
    if (action != kOutgoing && inet_pton(AF_INET, group, &request.imr_multiaddr) != 1) {
      return Result(env, -EINVAL);
    }
    const int name = action == kOutgoing ? IP_MULTICAST_IF
                     : action == kJoin   ? IP_ADD_MEMBERSHIP
                                         : IP_DROP_MEMBERSHIP;
    done = setsockopt(fd, IPPROTO_IP, name, &request, sizeof request);
  }
  return Result(env, done == 0 ? 0 : -errno);
}

}  // namespace

void ExportDatagrams(Environment* environment, napi_value exports) {
  Export(environment, exports, "datagramBlock", DatagramBlock);
  Export(environment, exports, "datagramsOneByOne", DatagramsOneByOne);
  Export(environment, exports, "receiveDatagrams", ReceiveDatagrams);
  Export(environment, exports, "sendDatagrams", SendDatagrams);
  Export(environment, exports, "setMembership", SetMembership);
}

}  // namespace underloop
