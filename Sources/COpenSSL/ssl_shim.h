// Inline functions for the HTTPServer module.
#pragma once
#include <openssl/ssl.h>
