// Socket addresses between JavaScript and the system: numeric hosts with their scopes, Unix paths, abstract names.
#include <arpa/inet.h>
#include <napi.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "environment.h"

namespace underloop {
namespace {

// { family, path } of a Unix socket. The path of a file ends with its NUL or with the address; an abstract name begins
// with a NUL, and ends with the address (unix(7)).
napi_value UnixAddress(napi_env env, const sockaddr_storage& storage, socklen_t length) {
  const auto& address = reinterpret_cast<const sockaddr_un&>(storage);
  const size_t start = offsetof(sockaddr_un, sun_path);
  size_t bytes = length > start ? length - start : 0;
  if (bytes > 0 && address.sun_path[0] != '\0') bytes = strnlen(address.sun_path, bytes);
#ifndef __linux__
  else
    bytes = 0;  // an unnamed one may come as zeros
#endif
  napi_value path = nullptr;
  napi_create_string_utf8(env, address.sun_path, bytes, &path);
  Napi::Object result = Napi::Object::New(env);
  result.Set("family", "unix");
  result.Set("path", Napi::Value(env, path));
  return result;
}

// (fd) => { family, host, port } or { family, path } or -errno
template <int (*Operation)(int, sockaddr*, socklen_t*)>
napi_value AddressOf(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (Operation(arguments.Int(0), reinterpret_cast<sockaddr*>(&address), &length) != 0)
    return Result(env, -errno);
  if (address.ss_family == AF_UNIX) return UnixAddress(env, address, length);
  char text[INET6_ADDRSTRLEN + IF_NAMESIZE + 2] = "";
  int port = 0;
  if (address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    port = ntohs(v4->sin_port);
  } else if (address.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    if (v6->sin6_scope_id != 0) {
      char name[IF_NAMESIZE] = "";
      const size_t used = strlen(text);
      if (if_indextoname(v6->sin6_scope_id, name) != nullptr) {
        snprintf(text + used, sizeof text - used, "%%%s", name);
      }
    }
    port = ntohs(v6->sin6_port);
  } else {
    return Result(env, -EAFNOSUPPORT);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("family", address.ss_family == AF_INET ? 4 : 6);
  result.Set("host", text);
  result.Set("port", port);
  return result;
}

int SockName(int fd, sockaddr* address, socklen_t* length) { return getsockname(fd, address, length); }
int PeerName(int fd, sockaddr* address, socklen_t* length) { return getpeername(fd, address, length); }

// (name) => the interface's number, or 0; if_nametoindex(3)
napi_value InterfaceNumber(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  char name[IF_NAMESIZE + 1];  // a name that is too long is seen to be so
  size_t length = 0;
  if (napi_get_value_string_utf8(env, arguments.values[0], name, sizeof name, &length) != napi_ok) length = 0;
  const bool fits = length > 0 && length < IF_NAMESIZE;
  return Result(env, fits ? static_cast<int32_t>(if_nametoindex(name)) : 0);
}

// (number) => the interface's name, or ''; if_indextoname(3)
napi_value InterfaceName(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  char name[IF_NAMESIZE] = "";
  uint32_t number = 0;
  napi_get_value_uint32(env, arguments.values[0], &number);
  if (if_indextoname(number, name) == nullptr) name[0] = '\0';
  napi_value result = nullptr;
  napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &result);
  return result;
}

}  // namespace

int ReadAddress(napi_env env, napi_value family, napi_value host, napi_value port,
                sockaddr_storage* address) {
  int32_t number = 0;
  int32_t port_number = 0;
  char text[256];  // a path that is too long for sockaddr_un is seen to be so
  size_t length = 0;
  if (napi_get_value_int32(env, family, &number) != napi_ok ||
      napi_get_value_int32(env, port, &port_number) != napi_ok ||
      napi_get_value_string_utf8(env, host, text, sizeof text, &length) != napi_ok) {
    return -EINVAL;
  }
  memset(address, 0, sizeof *address);
  if (number == kUnixFamily) {
    auto* local = reinterpret_cast<sockaddr_un*>(address);
    // A file's path is followed by a NUL; an abstract name is as long as the address says, and '' is no name at all.
    const bool file = length > 0 && text[0] != '\0';
    if (length + (file ? 1 : 0) > sizeof local->sun_path) return -ENAMETOOLONG;
    local->sun_family = AF_UNIX;
    memcpy(local->sun_path, text, length);
    return static_cast<int>(offsetof(sockaddr_un, sun_path) + length + (file ? 1 : 0));
  }
  if (number == 4) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(address);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<uint16_t>(port_number));
    return inet_pton(AF_INET, text, &v4->sin_addr) == 1 ? static_cast<int>(sizeof *v4) : -EINVAL;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(address);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(static_cast<uint16_t>(port_number));
  if (char* scope = strchr(text, '%'); scope != nullptr) {
    // A link-local address needs its interface, by name or by number (ipv6(7), sin6_scope_id).
    *scope++ = '\0';
    v6->sin6_scope_id = if_nametoindex(scope);
    if (v6->sin6_scope_id == 0) v6->sin6_scope_id = static_cast<uint32_t>(strtoul(scope, nullptr, 10));
    if (v6->sin6_scope_id == 0) return -ENODEV;
  }
  return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1 ? static_cast<int>(sizeof *v6) : -EINVAL;
}

void ExportAddresses(Environment* environment, napi_value exports) {
  Export(environment, exports, "localAddress", AddressOf<SockName>);
  Export(environment, exports, "peerAddress", AddressOf<PeerName>);
  Export(environment, exports, "interfaceNumber", InterfaceNumber);
  Export(environment, exports, "interfaceName", InterfaceName);
}

}  // namespace underloop
