# How node-gyp (and prebuildify) builds the addon. Sources, defines and flags stand in
# native/sources.json, which other build systems can read too.
{
  'includes': ['native/sources.json'],
  'variables': {
    # Linux only: a folder with include/sys/event.h (or include/kqueue/sys/event.h) and lib/libkqueue.so.
    'kqueue_prefix%': '<!(echo "$UNDERLOOP_KQUEUE_PREFIX")',
    # Set by scripts/prebuild.js: a binary for other machines than this one.
    'prebuild%': '<!(echo "$UNDERLOOP_PREBUILD")',
  },
  'targets': [
    {
      'target_name': 'underloop_native',
      'sources': ['<@(underloop_sources)'],
      'include_dirs': ['native', '<!(node -p "require(\'node-addon-api\').include_dir")'],
      'defines': ['<@(underloop_defines)'],
      # The runtime's own headers ask for an older standard, and for -O3; the last flag wins.
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20', '-std=gnu++23'],
      'cflags_cc': ['<@(underloop_cxx_flags)'],
      'xcode_settings': {
        'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
        'CLANG_CXX_LIBRARY': 'libc++',
        'GCC_ENABLE_CPP_EXCEPTIONS': 'NO',
        'GCC_ENABLE_CPP_RTTI': 'NO',
        'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
        'MACOSX_DEPLOYMENT_TARGET': '11.0',
        'OTHER_CPLUSPLUSFLAGS': ['<@(underloop_cxx_flags)'],
      },
      'conditions': [
        ['OS=="linux"', {
          'sources': ['<@(underloop_sources_epoll)'],
          'defines': ['UNDERLOOP_HAVE_EPOLL'],
        }],
        ['OS=="linux" and "<(prebuild)"!=""', {
          'sources': ['<@(underloop_sources_prebuild)'],
        }],
        ['OS in "mac freebsd"', {
          'sources': ['<@(underloop_sources_kqueue)'],
          'defines': ['UNDERLOOP_HAVE_KQUEUE'],
        }],
        ['OS=="linux" and "<(kqueue_prefix)"!=""', {
          'sources': ['<@(underloop_sources_kqueue)'],
          'defines': ['UNDERLOOP_HAVE_KQUEUE'],
          'include_dirs': ['<(kqueue_prefix)/include', '<(kqueue_prefix)/include/kqueue'],
          'libraries': ['-L<(kqueue_prefix)/lib', '-lkqueue', '-Wl,-rpath,<(kqueue_prefix)/lib'],
        }],
      ],
    },
  ],
}
