// Inline functions for the Crypto module.
#pragma once
#include <openssl/evp.h>
