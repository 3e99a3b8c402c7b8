// Inline functions for the Crypto module: what OpenSSL offers as macros, variadic functions or typed stacks.
#pragma once
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

static inline EVP_PKEY *pinseal_generate_ec(OSSL_LIB_CTX *context, const char *curve) {
  return EVP_PKEY_Q_keygen(context, NULL, "EC", curve);
}

static inline EVP_PKEY *pinseal_generate_rsa(OSSL_LIB_CTX *context, size_t bits) {
  return EVP_PKEY_Q_keygen(context, NULL, "RSA", bits);
}

static inline EVP_PKEY *pinseal_generate_ed25519(OSSL_LIB_CTX *context) {
  return EVP_PKEY_Q_keygen(context, NULL, "ED25519");
}

static inline int pinseal_refuse_password(char *buffer, int size, int writing, void *data) {
  (void)buffer; (void)size; (void)writing; (void)data;
  return -1;
}

/// Without this callback OpenSSL would ask for a password on the terminal.
static inline EVP_PKEY *pinseal_read_private_key(BIO *source, OSSL_LIB_CTX *context) {
  return PEM_read_bio_PrivateKey_ex(source, NULL, pinseal_refuse_password, NULL, context, NULL);
}

/// The bytes of a memory BIO; owned by the BIO.
static inline long pinseal_memory_bytes(BIO *memory, const unsigned char **bytes) {
  char *start = NULL;
  long count = BIO_get_mem_data(memory, &start);
  *bytes = (const unsigned char *)start;
  return count;
}

/// Appends a name of this type (GEN_DNS, GEN_IPADD) with these bytes; 1 on success.
static inline int pinseal_add_name(GENERAL_NAMES *names, int type, const unsigned char *bytes, int count) {
  ASN1_STRING *text = type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
  GENERAL_NAME *name = GENERAL_NAME_new();
  if (text == NULL || name == NULL || ASN1_STRING_set(text, bytes, count) != 1) {
    ASN1_STRING_free(text);
    GENERAL_NAME_free(name);
    return 0;
  }
  GENERAL_NAME_set0_value(name, type, text);
  if (sk_GENERAL_NAME_push(names, name) <= 0) {
    GENERAL_NAME_free(name);
    return 0;
  }
  return 1;
}

/// Adds an extension written in OpenSSL's configuration language. `value` must be a constant: the language has includes.
static inline int pinseal_add_extension(X509 *certificate, X509 *issuer, int nid, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
  X509V3_set_ctx_nodb(&context);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
  if (extension == NULL) return 0;
  int added = X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return added;
}
