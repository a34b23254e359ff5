/* SPDX-License-Identifier: MIT
 *
 * Is this a build with a sanitizer? Its shadow and its quarantine are memory too, so tests that
 * measure memory measure nothing there.
 */
#ifndef BULB_TESTS_LIB_SANITIZED_H
#define BULB_TESTS_LIB_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif
