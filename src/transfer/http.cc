// SPDX-License-Identifier: Apache-2.0
#include "transfer/http.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <unistd.h>

#include <curl/curl.h>

#include "base/strings.h"

namespace servin::transfer {

namespace {

constexpr std::size_t max_headers = 64U << 10U;  // bytes of one answer
constexpr long connect_seconds = 20;
constexpr long document_seconds = 60;
constexpr long slow = 1024;  // bytes a second
constexpr long buffer_size = 256L << 10U;

const std::string empty;

}  // namespace

const std::string& HttpResponse::header(const std::string& name) const {
  auto found = headers.find(name);
  return found == headers.end() ? empty : found->second;
}

/// The handle and the state of the exchange that is under way.
struct Session::Curl {
  CURL* handle = curl_easy_init();
  curl_slist* list = nullptr;
  std::array<char, CURL_ERROR_SIZE> text{};

  Standing* standing = nullptr;
  const HttpRequest* request = nullptr;
  HttpResponse response;
  std::exception_ptr failure;
  std::size_t header_bytes = 0;
  std::uint64_t sent = 0;
  bool headers_seen = false;
  bool through_proxy = false;
  std::string refused;  // why an address was not connected to

  ~Curl() {
    curl_slist_free_all(list);
    curl_easy_cleanup(handle);
  }

  template <typename T>
  void set(CURLoption option, T value) {
    curl_easy_setopt(handle, option, value);
  }
  void blob(CURLoption option, const std::string& bytes) {
    curl_blob data{const_cast<char*>(bytes.data()), bytes.size(), CURL_BLOB_COPY};
    curl_easy_setopt(handle, option, &data);
  }

  // What libcurl calls. No exception may pass through it.
  template <typename F>
  bool guarded(F&& work) {
    try {
      return work();
    } catch (...) {
      failure = std::current_exception();
      return false;
    }
  }

  static std::size_t on_header(char* data, std::size_t, std::size_t n, void* self) {
    auto& curl = *static_cast<Curl*>(self);
    return curl.guarded([&] { return curl.header({data, n}); }) ? n : 0;
  }
  static std::size_t on_body(char* data, std::size_t, std::size_t n, void* self) {
    auto& curl = *static_cast<Curl*>(self);
    return curl.guarded([&] { return curl.body({data, n}); }) ? n : 0;
  }
  static std::size_t on_read(char* buffer, std::size_t, std::size_t n, void* self) {
    auto& curl = *static_cast<Curl*>(self);
    std::size_t got = 0;
    bool good = curl.guarded([&] {
      got = curl.next_bytes(buffer, n);
      return true;
    });
    return good ? got : CURL_READFUNC_ABORT;
  }
  static int on_seek(void* self, curl_off_t offset, int origin) {
    if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
    static_cast<Curl*>(self)->sent = static_cast<std::uint64_t>(offset);
    return CURL_SEEKFUNC_OK;
  }
  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<Curl*>(self)->standing->stop ? 1 : 0;
  }
  static curl_socket_t on_socket(void* self, curlsocktype, curl_sockaddr* address) {
    return static_cast<Curl*>(self)->open_socket(*address);
  }

  bool header(std::string_view line) {
    header_bytes += line.size();
    if (header_bytes > max_headers)
      throw error(ErrorCode::data_loss, "the registry's answer has more than {} bytes of headers", max_headers)
          .with_id("E-REGISTRY-LIES");
    line = trim(line);
    if (line.starts_with("HTTP/")) {  // 100 Continue comes before the real one
      response = {};
      return true;
    }
    if (line.empty()) {
      curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &response.status);
      if (response.status < 200) return true;
      headers_seen = true;
      if (request->on_headers) request->on_headers(response);
      return true;
    }
    if (auto parts = split_once(line, ':')) response.headers[lower(trim(parts->first))] = trim(parts->second);
    return true;
  }

  bool body(std::string_view bytes) {
    bool good = response.status == 200 || response.status == 206;
    if (good && request->sink) return request->sink(bytes);
    if (response.text.size() + bytes.size() > request->text_limit) {
      if (!good) return true;  // the words of an error: the beginning is enough
      throw error(ErrorCode::data_loss, "the registry's answer is larger than {} bytes", request->text_limit)
          .with_id("E-REGISTRY-LIES");
    }
    response.text.append(bytes);
    return true;
  }

  std::size_t next_bytes(char* buffer, std::size_t n) {
    if (request->body_file == nullptr) {
      std::string_view rest = std::string_view(request->body).substr(std::min<std::size_t>(sent, request->body.size()));
      n = std::min(n, rest.size());
      std::memcpy(buffer, rest.data(), n);
    } else {
      ssize_t got = ::pread(request->body_file->get(), buffer, n, static_cast<off_t>(sent));
      if (got < 0) throw_errno("read the blob to send");
      n = static_cast<std::size_t>(got);
    }
    sent += n;
    if (request->on_sent) request->on_sent(sent);
    return n;
  }

  curl_socket_t open_socket(curl_sockaddr& address) {
    // The proxy is the administrator's choice; whom it connects to for us is its own affair.
    if (!through_proxy) {
      Reach reach = reach_of(address.addr);
      int known = standing->reach;
      if (known < 0 && request->own_host) {
        if (reach == Reach::link && !reach_of_host(parts_of(request->url).host)) {
          refused = to_string(reach);
          return CURL_SOCKET_BAD;
        }
        standing->reach.compare_exchange_strong(known, static_cast<int>(reach));
        known = standing->reach;
      }
      if (!may_lead(known < 0 ? Reach::everywhere : static_cast<Reach>(known), reach)) {
        refused = to_string(reach);
        return CURL_SOCKET_BAD;
      }
    }
    return ::socket(address.family, address.socktype | SOCK_CLOEXEC, address.protocol);
  }
};

Session::Session(const EndpointConfig& config, Standing& standing)
    : curl_(std::make_unique<Curl>()), config_(config), standing_(standing) {
  if (curl_->handle == nullptr) throw Error(ErrorCode::resource_exhausted, "no memory for a connection");
  curl_->standing = &standing;
}

Session::~Session() = default;

namespace {

void set_callbacks(CURL* h, void* self, curl_write_callback header, curl_write_callback body, curl_read_callback read) {
  curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, header);
  curl_easy_setopt(h, CURLOPT_HEADERDATA, self);
  curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, body);
  curl_easy_setopt(h, CURLOPT_WRITEDATA, self);
  curl_easy_setopt(h, CURLOPT_READFUNCTION, read);
  curl_easy_setopt(h, CURLOPT_READDATA, self);
}

void set_limits(CURL* h, const EndpointConfig& config, bool bulk) {
  curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(h, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(h, CURLOPT_HTTP09_ALLOWED, 0L);
  curl_easy_setopt(h, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(h, CURLOPT_USERAGENT, "servin/" SERVIN_VERSION);
  curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, connect_seconds);
  curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(h, CURLOPT_BUFFERSIZE, buffer_size);
  curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, slow);
  curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, static_cast<long>(config.stall_seconds));
  if (!bulk) curl_easy_setopt(h, CURLOPT_TIMEOUT, document_seconds);
}

/// Names a proxy or says that there is none: libcurl's own look into the environment is never wanted.
bool set_proxy(CURL* h, const EndpointConfig& config, const UrlParts& url) {
  std::string proxy = url.scheme == "https" ? config.https_proxy : config.http_proxy;
  if (reach_of_host(url.host) == Reach::this_machine || is_exempt(url.host, url.port, config.no_proxy)) proxy.clear();
  curl_easy_setopt(h, CURLOPT_PROXY, proxy.c_str());
  curl_easy_setopt(h, CURLOPT_NOPROXY, "");
  return !proxy.empty();
}

void set_method(CURL* h, const HttpRequest& request) {
  bool has_body = request.body_file != nullptr || !request.body.empty();
  std::uint64_t size = request.body_file != nullptr ? request.body_size : request.body.size();
  if (request.method == "HEAD") {
    curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
  } else if (request.method == "PUT" || request.method == "PATCH") {
    curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(size));
  } else if (request.method == "POST") {
    curl_easy_setopt(h, CURLOPT_POST, 1L);
    curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(size));
    if (!has_body) curl_easy_setopt(h, CURLOPT_POSTFIELDS, "");
  } else {
    curl_easy_setopt(h, CURLOPT_HTTPGET, 1L);
  }
  if (request.method != "GET" && request.method != "HEAD")
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

Error network_error(CURLcode code, const std::string& host, const std::string& text) {
  using enum ErrorCode;
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return error(unavailable, "registry {}: no such host", host)
          .with_id("E-REGISTRY-UNREACHABLE")
          .with_hint("check the name, and this machine's connection and DNS");
    case CURLE_COULDNT_RESOLVE_PROXY:
      return error(unavailable, "registry {}: the proxy's name is not known", host)
          .with_id("E-REGISTRY-UNREACHABLE")
          .with_hint("look at HTTPS_PROXY and HTTP_PROXY");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
      return error(permission_denied, "registry {}: its certificate is not trusted: {}", host, text)
          .with_id("E-REGISTRY-TLS")
          .with_hint(fmt::format("put its CA's certificate at /etc/containers/certs.d/{}/ca.crt", host));
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
      return error(unavailable, "registry {}: no TLS connection: {}", host, text)
          .with_id("E-REGISTRY-TLS")
          .with_hint("a registry without TLS needs --tls-verify=false, or \"insecure = true\" in registries.conf");
    case CURLE_OPERATION_TIMEDOUT:
      return error(timeout, "registry {}: nothing comes any more: {}", host, text)
          .with_id("E-REGISTRY-STALLED")
          .with_hint("try again: what has arrived is kept");
    case CURLE_OUT_OF_MEMORY:  // a header line beyond libcurl's own limit
#if LIBCURL_VERSION_NUM >= 0x080600
    case CURLE_TOO_LARGE:
#endif
      return error(data_loss, "registry {}: a header of its answer is too long", host).with_id("E-REGISTRY-LIES");
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      return error(data_loss, "registry {}: the answer is no HTTP", host).with_id("E-REGISTRY-LIES");
    default:
      return error(unavailable, "registry {}: {}", host, text)
          .with_id("E-REGISTRY-UNREACHABLE")
          .with_hint("check that it runs and can be reached");
  }
}

bool is_final(CURLcode code) {
  return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_ISSUER_ERROR || code == CURLE_SSL_CERTPROBLEM ||
         code == CURLE_OUT_OF_MEMORY || code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY;
}

}  // namespace

HttpResponse Session::perform(const HttpRequest& request) {
  Curl& c = *curl_;
  CURL* h = c.handle;
  curl_easy_reset(h);
  curl_slist_free_all(c.list);
  c.list = nullptr;
  c.request = &request;
  c.response = {};
  c.failure = nullptr;
  c.header_bytes = 0;
  c.sent = 0;
  c.headers_seen = false;
  c.refused.clear();
  c.text[0] = '\0';
  UrlParts url = parts_of(request.url);
  set_limits(h, config_, request.bulk);
  c.through_proxy = set_proxy(h, config_, url);
  set_method(h, request);
  set_callbacks(h, &c, Curl::on_header, Curl::on_body, Curl::on_read);
  c.set(CURLOPT_SEEKFUNCTION, &Curl::on_seek);
  c.set(CURLOPT_SEEKDATA, static_cast<void*>(&c));
  c.set(CURLOPT_OPENSOCKETFUNCTION, &Curl::on_socket);
  c.set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(&c));
  c.set(CURLOPT_XFERINFOFUNCTION, &Curl::on_progress);
  c.set(CURLOPT_XFERINFODATA, static_cast<void*>(&c));
  c.set(CURLOPT_NOPROGRESS, 0L);
  c.set(CURLOPT_ERRORBUFFER, c.text.data());
  c.set(CURLOPT_URL, request.url.c_str());
  for (const std::string& header : request.headers) c.list = curl_slist_append(c.list, header.c_str());
  c.list = curl_slist_append(c.list, "Expect:");
  c.set(CURLOPT_HTTPHEADER, c.list);
  c.set(CURLOPT_SSL_VERIFYPEER, config_.insecure ? 0L : 1L);
  c.set(CURLOPT_SSL_VERIFYHOST, config_.insecure ? 0L : 2L);
  c.set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!config_.ca.empty()) c.blob(CURLOPT_CAINFO_BLOB, config_.ca);
  if (request.own_host && !config_.cert.empty()) {
    c.blob(CURLOPT_SSLCERT_BLOB, config_.cert);
    c.blob(CURLOPT_SSLKEY_BLOB, config_.key);
  }
  CURLcode code = curl_easy_perform(h);
  if (standing_.stop) throw Error(ErrorCode::cancelled, "stopped");
  if (c.failure) std::rethrow_exception(c.failure);
  if (!c.refused.empty())
    throw error(ErrorCode::permission_denied, "registry {} leads to {} ({})", config_.host, url.host, c.refused)
        .with_id("E-REGISTRY-REDIRECT")
        .with_hint("a registry may not send anybody into networks that it is not in itself");
  if (code != CURLE_OK) {
    std::string text(c.text.data());
    if (text.empty()) text = curl_easy_strerror(code);
    bool no_tls = code == CURLE_SSL_CONNECT_ERROR;
    throw NetworkFailure(network_error(code, url.host + (url.port == "443" ? "" : ":" + url.port),
                                       lower(text.substr(0, 1)) + text.substr(1)),
                         is_final(code), no_tls);
  }
  curl_off_t wait = 0;
  if (curl_easy_getinfo(h, CURLINFO_RETRY_AFTER, &wait) == CURLE_OK && wait > 0)
    c.response.retry_after = static_cast<std::uint64_t>(wait);
  curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &c.response.status);
  return std::move(c.response);
}

namespace {

struct Url {
  CURLU* handle = curl_url();
  Url() = default;
  Url(const Url&) = delete;
  Url& operator=(const Url&) = delete;
  ~Url() { curl_url_cleanup(handle); }
  std::string get(CURLUPart part, unsigned flags = 0) const {
    char* text = nullptr;
    if (curl_url_get(handle, part, &text, flags) != CURLUE_OK) return "";
    std::string out(text);
    curl_free(text);
    return out;
  }
};

}  // namespace

std::optional<std::string> resolve_url(const std::string& base, const std::string& location) {
  Url url;
  if (curl_url_set(url.handle, CURLUPART_URL, base.c_str(), 0) != CURLUE_OK) return std::nullopt;
  if (curl_url_set(url.handle, CURLUPART_URL, location.c_str(), 0) != CURLUE_OK) return std::nullopt;
  std::string scheme = url.get(CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") return std::nullopt;
  if (!url.get(CURLUPART_USER).empty() || !url.get(CURLUPART_PASSWORD).empty()) return std::nullopt;
  return url.get(CURLUPART_URL);
}

UrlParts parts_of(const std::string& text) {
  Url url;
  curl_url_set(url.handle, CURLUPART_URL, text.c_str(), 0);
  return {url.get(CURLUPART_SCHEME), lower(url.get(CURLUPART_HOST)), url.get(CURLUPART_PORT, CURLU_DEFAULT_PORT),
          url.get(CURLUPART_PATH)};
}

std::string url_escape(std::string_view text) {
  std::string out;
  for (unsigned char c : text) {
    if (std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_' || c == '~') {
      out += static_cast<char>(c);
    } else {
      out += fmt::format("%{:02X}", c);
    }
  }
  return out;
}

}  // namespace servin::transfer
