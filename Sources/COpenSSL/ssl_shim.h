// Inline functions for the HTTPServer module.
#pragma once
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

// What every server context is: TLS 1.2 and 1.3, no compression, no renegotiation, buffers given back when idle.
static inline int pinseal_ssl_ctx_configure(SSL_CTX *context) {
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Tickets are stateless, so the server keeps no session of its own.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_read_ahead(context, 1);
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1;
}

// Takes a reference of its own.
static inline int pinseal_ssl_ctx_add_chain_certificate(SSL_CTX *context, X509 *certificate) {
  return (int)SSL_CTX_add1_chain_cert(context, certificate);
}

static inline int pinseal_pem_no_password(char *buffer, int size, int writing, void *context) {
  (void)buffer, (void)size, (void)writing, (void)context;
  return -1;
}

// Reads an unencrypted key; OpenSSL's own default would ask for a passphrase on the terminal.
static inline EVP_PKEY *pinseal_pem_read_private_key(BIO *source) {
  return PEM_read_bio_PrivateKey(source, NULL, pinseal_pem_no_password, NULL);
}

static inline X509 *pinseal_pem_read_certificate(BIO *source) {
  return PEM_read_bio_X509(source, NULL, pinseal_pem_no_password, NULL);
}

static inline int pinseal_err_is_pem_end(unsigned long error) {
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}
