# SPDX-License-Identifier: Apache-2.0
#
# What configure.ac is made of. A missing prerequisite does not stop configure where it is noticed:
# it is added to a list, so that the user reads all of them, and one apt-get line, at once.

# CBA_MISSING(DEBIAN-PACKAGE, WHAT)
AC_DEFUN([CBA_MISSING],
[cba_missing="$cba_missing
  $2 is missing: Debian package $1"
AS_CASE([" $cba_missing_packages "], [*" $1 "*], [],
    [cba_missing_packages="$cba_missing_packages $1"])])

# CBA_REPORT_MISSING: end here if anything was missing.
AC_DEFUN([CBA_REPORT_MISSING],
[AS_IF([test -n "$cba_missing"],
    [AC_MSG_ERROR([prerequisites are missing:
$cba_missing

On Debian 12, as root:  apt-get install$cba_missing_packages
or all that building and testing needs:  $srcdir/build/setup])])])

# CBA_PKG(PREFIX, PKG-CONFIG-MODULES, MINIMUM, NAME, DEBIAN-PACKAGE)
# Sets PREFIX_CFLAGS and PREFIX_LIBS, or leaves them as the user gave them.
# Without pkg.m4, so that autoreconf needs nothing but autoconf, automake and libtool.
AC_DEFUN([CBA_PKG],
[AC_ARG_VAR([$1_CFLAGS], [compiler flags for $4, instead of asking pkg-config])
AC_ARG_VAR([$1_LIBS], [linker flags for $4, instead of asking pkg-config])
AC_MSG_CHECKING([for $4 >= $3])
cba_pkg_ok=yes
AS_IF([test -n "$[]$1_LIBS"], [AC_MSG_RESULT([given])],
      [test -z "$PKG_CONFIG"],
      [AC_MSG_RESULT([cannot tell])
       CBA_MISSING([$5], [$4 >= $3 (pkg-config tells)])],
      [for cba_pkg in $2; do
           $PKG_CONFIG --exists "$cba_pkg >= $3" || cba_pkg_ok=no
       done
       AS_IF([test $cba_pkg_ok = yes],
           [$1_CFLAGS=`$PKG_CONFIG --cflags $2`
            $1_LIBS=`$PKG_CONFIG --libs $2`
            AC_MSG_RESULT([yes])],
           [AC_MSG_RESULT([no])
            CBA_MISSING([$5], [$4 >= $3])])])])

# CBA_HEADER(HEADER, CPPFLAGS, DEBIAN-PACKAGE, [PROLOGUE], [WHAT])
AC_DEFUN([CBA_HEADER],
[AC_MSG_CHECKING([for $1])
cba_save_CPPFLAGS=$CPPFLAGS
CPPFLAGS="$CPPFLAGS $2"
AC_COMPILE_IFELSE([AC_LANG_SOURCE([[$4
#include <stddef.h>
#include <$1>
]])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     CBA_MISSING([$3], m4_default([$5], [the header $1]))])
CPPFLAGS=$cba_save_CPPFLAGS])

# CBA_LINK(WHAT, CFLAGS, LIBS, PROLOGUE, BODY, DESCRIPTION, DEBIAN-PACKAGE)
AC_DEFUN([CBA_LINK],
[AC_MSG_CHECKING([for $1])
cba_save_CPPFLAGS=$CPPFLAGS
cba_save_LIBS=$LIBS
CPPFLAGS="$CPPFLAGS $2"
LIBS="$3 $LIBS"
AC_LINK_IFELSE([AC_LANG_PROGRAM([$4], [$5])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     CBA_MISSING([$7], [$6])])
CPPFLAGS=$cba_save_CPPFLAGS
LIBS=$cba_save_LIBS])

# CBA_HTTPD: apxs, and what it knows: HTTPD, HTTPD_CPPFLAGS, APR_CPPFLAGS, installpath.
# The headers are system headers (-isystem), so that the strict warnings stay ours. apxs's CFLAGS are
# not used: they are how that httpd was optimised, not what a module needs.
AC_DEFUN([CBA_HTTPD],
[AS_CASE([$with_apxs],
    [yes|no|''], [AC_PATH_PROGS([APXS], [apxs apxs2], [], [$PATH$PATH_SEPARATOR/usr/sbin$PATH_SEPARATOR/usr/local/apache2/bin])],
    [APXS=$with_apxs
     AS_IF([test -x "$APXS"], [],
         [AC_MSG_ERROR([--with-apxs=$APXS: there is no such program. Give the full path of apxs itself])])])
AC_SUBST([APXS])
HTTPD=
HTTPD_VERSION=
AS_IF([test -z "$APXS"],
    [CBA_MISSING([apache2-dev], [httpd's apxs (or --with-apxs=PATH)])
     CBA_MISSING([apache2-ssl-dev], [mod_ssl_openssl.h])],
    [cba_httpd_include=`$APXS -q INCLUDEDIR`
     APR_CONFIG=`$APXS -q APR_CONFIG 2>/dev/null`
     AS_IF([test -x "$APR_CONFIG"], [], [APR_CONFIG=`$APXS -q APR_BINDIR`/apr-1-config])
     APU_CONFIG=`$APXS -q APU_CONFIG 2>/dev/null`
     AS_IF([test -x "$APU_CONFIG"], [], [APU_CONFIG=`$APXS -q APU_BINDIR`/apu-1-config])
     AS_IF([test -x "$APR_CONFIG"], [], [CBA_MISSING([libapr1-dev], [apr-1-config of APR])])
     AS_IF([test -x "$APU_CONFIG"], [], [CBA_MISSING([libaprutil1-dev], [apu-1-config of APR-util])])
     APR_CPPFLAGS=`($APR_CONFIG --cppflags; $APR_CONFIG --includes; $APU_CONFIG --includes) 2>/dev/null |
         tr '\n' ' ' | sed -e 's/-I */-isystem /g'`
     HTTPD_CPPFLAGS="$APR_CPPFLAGS -isystem $cba_httpd_include"
     HTTPD=`$APXS -q SBINDIR`/`$APXS -q PROGNAME`
     AS_IF([test -x "$HTTPD"],
         [HTTPD_VERSION=`$HTTPD -v | sed -n -e 's|^Server version: ||p'`],
         [HTTPD_VERSION="not installed"])
     CBA_HEADER([httpd.h], [$HTTPD_CPPFLAGS], [apache2-dev])
     CBA_HEADER([mod_proxy.h], [$HTTPD_CPPFLAGS], [apache2-dev])
     # The same is asked by cba_mod_proxy.h, where nobody has run configure.
     CBA_HEADER([ap_mmn.h], [$HTTPD_CPPFLAGS], [apache2-dev],
         [#include <ap_mmn.h>
#if !AP_MODULE_MAGIC_AT_LEAST(20120211, 130)
#error too old
#endif], [httpd >= 2.4.59])
     CBA_HEADER([http_ssl.h], [$HTTPD_CPPFLAGS], [apache2-dev],
         [#include <httpd.h>], [http_ssl.h of httpd >= 2.4.49])
     # Only this header names the types of mod_ssl's hooks; Debian ships it apart from the rest.
     CBA_HEADER([mod_ssl_openssl.h], [$HTTPD_CPPFLAGS $OPENSSL_CFLAGS], [apache2-ssl-dev],
         [#include <httpd.h>], [mod_ssl_openssl.h])])
AC_SUBST([APR_CPPFLAGS])
AC_SUBST([HTTPD_CPPFLAGS])
AC_SUBST([HTTPD])
installpath=$with_installpath
AS_IF([test -z "$installpath" && test -n "$APXS"], [installpath=`$APXS -q LIBEXECDIR`])
AC_SUBST([installpath])])

# CBA_CC_FLAG(VARIABLE, FLAG): add FLAG to VARIABLE where the compiler and linker know it.
AC_DEFUN([CBA_CC_FLAG],
[cba_save_CFLAGS=$CFLAGS
CFLAGS="$CFLAGS -Werror $2"
AC_LINK_IFELSE([AC_LANG_SOURCE([[#include <stdlib.h>
int main(void) { return EXIT_SUCCESS; }
]])], [$1="$[]$1 $2"])
CFLAGS=$cba_save_CFLAGS])

# CBA_CC_FLAGS: CBA_WARN_CFLAGS, CBA_HARDEN_CFLAGS, CBA_HARDEN_LDFLAGS, and the sanitizers' flags for
# the tests (CBA_TEST_SAN) and, when asked for, for the module (CBA_MODULE_SAN). They reach the
# compiler through the Makefile and not through CFLAGS, which belongs to the user, and with which
# configure's own probes would fail.
AC_DEFUN([CBA_CC_FLAGS],
[AC_MSG_CHECKING([for strict warnings])
CBA_WARN_CFLAGS=-std=c11
m4_foreach_w([flag],
    [-Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
     -Wmissing-prototypes -Wold-style-definition -Wvla -Wformat=2 -Wundef -Wpointer-arith
     -Wcast-qual -Wwrite-strings -Wimplicit-fallthrough],
    [CBA_CC_FLAG([CBA_WARN_CFLAGS], flag)
])
AS_IF([test "x$enable_werror" != xno], [CBA_WARN_CFLAGS="$CBA_WARN_CFLAGS -Werror"])
AC_MSG_RESULT([$CBA_WARN_CFLAGS])
AC_SUBST([CBA_WARN_CFLAGS])

# APR_RING casts a volatile away; gcc knows that it does so in a system header, clang does not.
CBA_APR_CFLAGS=
AC_COMPILE_IFELSE([AC_LANG_SOURCE([[#ifndef __clang__
#error not clang
#endif
]])], [CBA_APR_CFLAGS=-Wno-cast-qual])
AC_SUBST([CBA_APR_CFLAGS])

AC_MSG_CHECKING([for sanitizers])
CBA_TEST_SAN=
CBA_CC_FLAG([CBA_TEST_SAN], [-fsanitize=address,undefined])
AS_IF([test -n "$CBA_TEST_SAN"],
    [CBA_TEST_SAN="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
     AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AS_IF([test "x$with_cmocka" != xno || test "x$enable_sanitizers" != xno],
         [CBA_MISSING([libclang-rt-14-dev],
             [the runtime of AddressSanitizer and UBSan for $CC (gcc brings its own)])])])
AC_SUBST([CBA_TEST_SAN])
CBA_MODULE_SAN=
AS_IF([test "x$enable_sanitizers" != xno], [CBA_MODULE_SAN=$CBA_TEST_SAN])
AC_SUBST([CBA_MODULE_SAN])
AM_CONDITIONAL([SANITIZED_MODULE], [test "x$enable_sanitizers" != xno])

AC_MSG_CHECKING([for hardening])
CBA_HARDEN_CFLAGS=
CBA_HARDEN_LDFLAGS=
CBA_CC_FLAG([CBA_HARDEN_CFLAGS], [-fstack-protector-strong])
CBA_CC_FLAG([CBA_HARDEN_CFLAGS], [-fstack-clash-protection])
# Needs optimisation, and sees through less under a sanitizer.
AS_IF([test "x$enable_sanitizers" = xno],
    [CBA_CC_FLAG([CBA_HARDEN_CFLAGS], [-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2])])
CBA_CC_FLAG([CBA_HARDEN_LDFLAGS], [-Wl,-z,relro])
CBA_CC_FLAG([CBA_HARDEN_LDFLAGS], [-Wl,-z,now])
AC_MSG_RESULT([$CBA_HARDEN_CFLAGS $CBA_HARDEN_LDFLAGS])
AC_SUBST([CBA_HARDEN_CFLAGS])
AC_SUBST([CBA_HARDEN_LDFLAGS])])
