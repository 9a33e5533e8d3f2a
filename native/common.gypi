# The compiler settings that node-gyp wants beside the headers, for the header folder that
# scripts/install.js makes out of the package node-api-headers. They replace the common.gypi that a
# Node.js distribution ships; only what an addon written against Node-API needs is here.
{
  'variables': {
    'visibility%': 'hidden',
    'target_arch%': '<(host_arch)',
    'host_arch%': 'x64',
    'node_engine%': 'v8',
  },
  'target_defaults': {
    'default_configuration': 'Release',
    'configurations': {
      'Debug': { 'defines': ['DEBUG', '_DEBUG'], 'cflags': ['-g', '-O0'] },
      'Release': { 'cflags': ['-O2', '-fno-omit-frame-pointer'] },
    },
    'conditions': [
      ['OS in "linux freebsd openbsd netbsd"', {
        'cflags': ['-pthread'],
        'ldflags': ['-pthread', '-rdynamic'],
      }],
      ['OS=="mac"', {
        'xcode_settings': {
          'ALWAYS_SEARCH_USER_PATHS': 'NO',
          'GCC_DYNAMIC_NO_PIC': 'NO',
          'GCC_OPTIMIZATION_LEVEL': '2',
          'PREBINDING': 'NO',
          'USE_HEADERMAP': 'NO',
          'OTHER_LDFLAGS': ['-Wl,-search_paths_first'],
        },
        'conditions': [
          ['target_arch=="x64"', { 'xcode_settings': { 'ARCHS': ['x86_64'] } }],
          ['target_arch=="arm64"', { 'xcode_settings': { 'ARCHS': ['arm64'] } }],
        ],
      }],
    ],
  },
}
