// SPDX-License-Identifier: Apache-2.0
#include "transfer/http.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <unistd.h>

#include <curl/curl.h>

#include "base/strings.h"
#include "transfer/failure.h"
#include "transfer/url.h"

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

  const EndpointConfig* config = nullptr;
  Standing* standing = nullptr;
  const HttpRequest* request = nullptr;
  HttpResponse response;
  std::exception_ptr failure;
  std::size_t header_bytes = 0;
  std::uint64_t sent = 0;
  bool headers_seen = false;
  bool certificate_wanted = false;  // of ours, in the handshake
  std::string proxy;                // HOST:PORT of the one between, or empty
  std::string refused;              // why an address was not connected to

  ~Curl() {
    curl_slist_free_all(list);
    curl_easy_cleanup(handle);
  }

  template <typename T>
  void set(CURLoption option, T value) {
    curl_easy_setopt(handle, option, value);
  }

  /// A registry is where it answered from: of several addresses some may lead nowhere.
  void note_reach() {
    const char* address = nullptr;
    if (!proxy.empty() || !request->own_host || standing->reach >= 0) return;
    curl_easy_getinfo(handle, CURLINFO_PRIMARY_IP, &address);
    if (auto reach = address == nullptr ? std::nullopt : reach_of_host(address))
      standing->reach = static_cast<int>(*reach);
  }

  Breakdown breakdown(CURLcode code, const UrlParts& url) const {
    Breakdown what;
    what.code = code;
    what.text = text[0] != '\0' ? text.data() : curl_easy_strerror(code);
    if (!what.text.starts_with("SSL")) what.text = lower(what.text.substr(0, 1)) + what.text.substr(1);
    what.host = url.host + (url.port == "443" ? "" : ":" + url.port);
    what.proxy = proxy;
    what.certificate_wanted = certificate_wanted && !headers_seen;
    curl_easy_getinfo(handle, CURLINFO_HTTP_CONNECTCODE, &what.proxy_status);
    curl_easy_getinfo(handle, CURLINFO_SSL_VERIFYRESULT, &what.certificate);
    long made = 0;
    what.reused = curl_easy_getinfo(handle, CURLINFO_NUM_CONNECTS, &made) == CURLE_OK && made == 0;
    return what;
  }

  /// As if there had been nothing before, but for the connections.
  void begin(const HttpRequest& what) {
    curl_easy_reset(handle);
    curl_slist_free_all(list);
    list = nullptr;
    request = &what;
    response = {};
    failure = nullptr;
    header_bytes = 0;
    sent = 0;
    headers_seen = false;
    certificate_wanted = false;
    refused.clear();
    text[0] = '\0';
    for (const std::string& header : what.headers) list = curl_slist_append(list, header.c_str());
    list = curl_slist_append(list, "Expect:");
    set(CURLOPT_HTTPHEADER, list);
    set(CURLOPT_URL, what.url.c_str());
    set(CURLOPT_ERRORBUFFER, text.data());
    set_hooks();
  }
  void set_hooks() {
    auto* self = static_cast<void*>(this);
    set(CURLOPT_SEEKFUNCTION, &Curl::on_seek);
    set(CURLOPT_SEEKDATA, self);
    set(CURLOPT_OPENSOCKETFUNCTION, &Curl::on_socket);
    set(CURLOPT_OPENSOCKETDATA, self);
    set(CURLOPT_XFERINFOFUNCTION, &Curl::on_progress);
    set(CURLOPT_XFERINFODATA, self);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_DEBUGFUNCTION, &Curl::on_words);
    set(CURLOPT_DEBUGDATA, self);
    set(CURLOPT_VERBOSE, 1L);  // into on_words(), nowhere else
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
  /// The only way to hear of it: with TLS 1.3 who has no certificate is sent away after the handshake, and the reason
  /// may be lost with the connection.
  static int on_words(CURL*, curl_infotype type, char* data, std::size_t n, void* self) {
    constexpr std::string_view request = "TLS handshake, Request CERT";
    if (type == CURLINFO_TEXT && std::string_view(data, n).find(request) != std::string_view::npos)
      static_cast<Curl*>(self)->certificate_wanted = true;
    return 0;
  }
  static curl_socket_t on_socket(void* self, curlsocktype, curl_sockaddr* address) {
    return static_cast<Curl*>(self)->open_socket(*address);
  }

  bool header(std::string_view line) {
    header_bytes += line.size();
    if (header_bytes > max_headers)
      throw lies(*config, fmt::format("its answer has more than {} bytes of headers", max_headers));
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
      throw lies(*config, fmt::format("its answer is larger than {} bytes", request->text_limit));
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
    if (proxy.empty()) {
      Reach reach = reach_of(address.addr);
      int known = standing->reach;
      bool good = may_lead(known < 0 ? Reach::everywhere : static_cast<Reach>(known), reach);
      // The registry itself may be anywhere until it has answered; link-local only if it was written so.
      if (known < 0 && request->own_host) good = reach != Reach::link || reach_of_host(parts_of(request->url).host);
      if (!good) {
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
  curl_->config = &config;
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
  curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, std::min<long>(connect_seconds, config.stall_seconds));
  curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(h, CURLOPT_BUFFERSIZE, buffer_size);
  curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, slow);
  curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, static_cast<long>(config.stall_seconds));
  if (!bulk) curl_easy_setopt(h, CURLOPT_TIMEOUT, document_seconds);
}

/// Names a proxy or says that there is none: libcurl's own look into the environment is never wanted.
std::string set_proxy(CURL* h, const EndpointConfig& config, const UrlParts& url) {
  std::string proxy = url.scheme == "https" ? config.https_proxy : config.http_proxy;
  if (reach_of_host(url.host) == Reach::this_machine || is_exempt(url.host, url.port, config.no_proxy)) proxy.clear();
  curl_easy_setopt(h, CURLOPT_PROXY, proxy.c_str());
  curl_easy_setopt(h, CURLOPT_NOPROXY, "");
  // What the proxy says of the tunnel is not the registry's word; and what we tell the registry is not for the proxy.
  curl_easy_setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(h, CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
  return proxy.empty() ? "" : proxy_name(config, proxy);
}

/// Whom to trust, and who we are.
void set_tls(CURL* h, const EndpointConfig& config, bool own_host) {
  auto blob = [h](CURLoption option, const std::string& bytes) {
    curl_blob data{const_cast<char*>(bytes.data()), bytes.size(), CURL_BLOB_COPY};
    curl_easy_setopt(h, option, &data);
  };
  curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, config.insecure ? 0L : 1L);
  curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, config.insecure ? 0L : 2L);
  curl_easy_setopt(h, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!config.ca.empty()) blob(CURLOPT_CAINFO_BLOB, config.ca);
  if (!own_host || config.cert.empty()) return;
  blob(CURLOPT_SSLCERT_BLOB, config.cert);
  blob(CURLOPT_SSLKEY_BLOB, config.key);
  curl_easy_setopt(h, CURLOPT_KEYPASSWD, "");  // never asked for: OpenSSL would read it from the terminal
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

}  // namespace

HttpResponse Session::perform(const HttpRequest& request) {
  Curl& c = *curl_;
  CURL* h = c.handle;
  c.begin(request);
  UrlParts url = parts_of(request.url);
  set_limits(h, config_, request.bulk);
  c.proxy = set_proxy(h, config_, url);
  set_method(h, request);
  set_callbacks(h, &c, Curl::on_header, Curl::on_body, Curl::on_read);
  set_tls(h, config_, request.own_host);
  CURLcode code = curl_easy_perform(h);
  if (standing_.stop) throw Error(ErrorCode::cancelled, "stopped");
  if (c.failure) std::rethrow_exception(c.failure);
  if (code != CURLE_OK && !c.refused.empty())  // else another address of the host did
    throw error(ErrorCode::permission_denied, "registry {} leads to {} ({})", config_.host, url.host, c.refused)
        .with_id("E-REGISTRY-REDIRECT")
        .with_hint("a registry may not send anybody into networks that it is not in itself");
  if (code != CURLE_OK) throw failure_of(config_, c.breakdown(code, url));
  c.note_reach();
  curl_off_t wait = 0;
  if (curl_easy_getinfo(h, CURLINFO_RETRY_AFTER, &wait) == CURLE_OK && wait > 0)
    c.response.retry_after = static_cast<std::uint64_t>(wait);
  curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &c.response.status);
  return std::move(c.response);
}

}  // namespace servin::transfer
