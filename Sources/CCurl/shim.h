// libcurl sets and reads its options by variadic functions, which Swift cannot call: one function a type here.
#pragma once
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

typedef size_t (*pinseal_curl_data_callback)(char *data, size_t size, size_t count, void *context);

static inline CURLcode pinseal_curl_set_long(CURL *handle, CURLoption option, long value) {
  return curl_easy_setopt(handle, option, value);
}

static inline CURLcode pinseal_curl_set_offset(CURL *handle, CURLoption option, curl_off_t value) {
  return curl_easy_setopt(handle, option, value);
}

static inline CURLcode pinseal_curl_set_string(CURL *handle, CURLoption option, const char *value) {
  return curl_easy_setopt(handle, option, value);
}

static inline CURLcode pinseal_curl_set_pointer(CURL *handle, CURLoption option, void *value) {
  return curl_easy_setopt(handle, option, value);
}

static inline CURLcode pinseal_curl_set_list(CURL *handle, CURLoption option, struct curl_slist *value) {
  return curl_easy_setopt(handle, option, value);
}

// Not copied: the bytes must outlive the handle.
static inline CURLcode pinseal_curl_set_blob(CURL *handle, CURLoption option, void *bytes, size_t count) {
  struct curl_blob blob = {bytes, count, CURL_BLOB_NOCOPY};
  return curl_easy_setopt(handle, option, &blob);
}

static inline CURLcode pinseal_curl_set_data_callback(
    CURL *handle, CURLoption option, pinseal_curl_data_callback callback) {
  return curl_easy_setopt(handle, option, callback);
}

static inline CURLcode pinseal_curl_set_socket_callback(CURL *handle, curl_opensocket_callback callback) {
  return curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, callback);
}

// The protocols that a transfer may speak; a bit mask before 7.85.
static inline CURLcode pinseal_curl_set_protocols(CURL *handle, int allows_plain) {
#if LIBCURL_VERSION_NUM >= 0x075500
  return curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, allows_plain ? "http,https" : "https");
#else
  long mask = allows_plain ? CURLPROTO_HTTP | CURLPROTO_HTTPS : CURLPROTO_HTTPS;
  return curl_easy_setopt(handle, CURLOPT_PROTOCOLS, mask);
#endif
}

// Giving a transfer up does not wait for a resolver thread that still hangs in getaddrinfo (7.87).
static inline CURLcode pinseal_curl_set_quick_exit(CURL *handle) {
#if LIBCURL_VERSION_NUM >= 0x075700
  return curl_easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L);
#else
  (void)handle;
  return CURLE_OK;
#endif
}

// How long a parsed file of authorities is kept (7.87).
static inline CURLcode pinseal_curl_set_authorities_cache(CURL *handle, long seconds) {
#if LIBCURL_VERSION_NUM >= 0x075700
  return curl_easy_setopt(handle, CURLOPT_CA_CACHE_TIMEOUT, seconds);
#else
  (void)handle;
  (void)seconds;
  return CURLE_OK;
#endif
}

static inline CURLMcode pinseal_curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
  return curl_multi_setopt(multi, option, value);
}

static inline CURLcode pinseal_curl_get_long(CURL *handle, CURLINFO info, long *value) {
  return curl_easy_getinfo(handle, info, value);
}

static inline CURLcode pinseal_curl_get_offset(CURL *handle, CURLINFO info, curl_off_t *value) {
  return curl_easy_getinfo(handle, info, value);
}

static inline CURLcode pinseal_curl_get_pointer(CURL *handle, CURLINFO info, void **value) {
  return curl_easy_getinfo(handle, info, value);
}

// The file of authorities that libcurl was built to read; null if it names none.
static inline const char *pinseal_curl_system_authorities(void) {
  return curl_version_info(CURLVERSION_NOW)->cainfo;
}
