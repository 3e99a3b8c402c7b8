// Inline functions for the Crypto module: what OpenSSL offers as macros, variadic functions or typed stacks.
#pragma once
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/x509_vfy.h>
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

/// Appends a subtree with a name of this type to `*trees`; 1 on success.
static inline int pinseal_add_subtree(STACK_OF(GENERAL_SUBTREE) **trees, int type, const unsigned char *bytes,
                                      int count) {
  if (*trees == NULL && (*trees = sk_GENERAL_SUBTREE_new_null()) == NULL) return 0;
  ASN1_STRING *text = type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
  GENERAL_SUBTREE *tree = GENERAL_SUBTREE_new();
  if (text == NULL || tree == NULL || ASN1_STRING_set(text, bytes, count) != 1) {
    ASN1_STRING_free(text);
    GENERAL_SUBTREE_free(tree);
    return 0;
  }
  GENERAL_NAME_set0_value(tree->base, type, text);
  if (sk_GENERAL_SUBTREE_push(*trees, tree) <= 0) {
    GENERAL_SUBTREE_free(tree);
    return 0;
  }
  return 1;
}

static inline int pinseal_permit_name(NAME_CONSTRAINTS *names, const unsigned char *bytes, int count) {
  return pinseal_add_subtree(&names->permittedSubtrees, GEN_DNS, bytes, count);
}

/// Excludes every IPv4 and IPv6 address (RFC 5280 section 4.2.1.10: address and mask, all zero).
static inline int pinseal_exclude_addresses(NAME_CONSTRAINTS *names) {
  static const unsigned char zeros[32];
  return pinseal_add_subtree(&names->excludedSubtrees, GEN_IPADD, zeros, 8) &&
         pinseal_add_subtree(&names->excludedSubtrees, GEN_IPADD, zeros, 32);
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

/// Writes a name as RFC 2253 does; 1 on success.
static inline int pinseal_print_name(BIO *memory, const X509_NAME *name) {
  return X509_NAME_print_ex(memory, name, 0, XN_FLAG_RFC2253) >= 0;
}

/// Seeks a path from `leaf` over `others` to one of `roots` and judges it (RFC 5280 section 6) but for times, which the
/// caller compares. No other certificate, no store of the system, no revocation list is looked at.
///
/// Returns X509_V_OK, another X509_V_ code, or -1 for want of memory. The path's certificates are the caller's own,
/// written to `path` (`count` is its capacity before and their number after); `depth` tells where the fault is.
static inline int pinseal_verify_path(OSSL_LIB_CTX *context, X509 *leaf, X509 *const *others, int other_count,
                                      X509 *const *roots, int root_count, X509 **path, int *count, int *depth) {
  int result = -1, capacity = *count;
  X509_STORE *store = X509_STORE_new();
  X509_STORE_CTX *judge = X509_STORE_CTX_new_ex(context, NULL);
  STACK_OF(X509) *stack = sk_X509_new_null();
  *count = 0;
  *depth = 0;
  if (store == NULL || judge == NULL || stack == NULL) goto done;
  for (int i = 0; i < other_count; i++)
    if (sk_X509_push(stack, others[i]) <= 0) goto done;
  for (int i = 0; i < root_count; i++)
    if (X509_STORE_add_cert(store, roots[i]) != 1) goto done;
  if (X509_STORE_CTX_init(judge, store, leaf, stack) != 1) goto done;
  X509_VERIFY_PARAM *rules = X509_STORE_CTX_get0_param(judge);
  // A root need not be self-signed: what is trusted is what the trust root lists.
  X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_NO_CHECK_TIME);
  X509_VERIFY_PARAM_set_depth(rules, capacity);
  // 112 bits: RSA from 2048 bits, no SHA-1.
  X509_VERIFY_PARAM_set_auth_level(rules, 2);
  int verdict = X509_verify_cert(judge);
  result = X509_STORE_CTX_get_error(judge);
  *depth = X509_STORE_CTX_get_error_depth(judge);
  if (verdict != 1) {
    if (result == X509_V_OK) result = X509_V_ERR_UNSPECIFIED;
    goto done;
  }
  STACK_OF(X509) *found = X509_STORE_CTX_get0_chain(judge);
  int length = sk_X509_num(found);
  if (result == X509_V_OK && (length < 1 || length > capacity)) result = X509_V_ERR_CERT_CHAIN_TOO_LONG;
  if (result != X509_V_OK) goto done;
  for (int i = 0; i < length; i++) path[i] = sk_X509_value(found, i);
  *count = length;
done:
  sk_X509_free(stack);
  X509_STORE_CTX_free(judge);
  X509_STORE_free(store);
  return result;
}
