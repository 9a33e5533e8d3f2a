// A certificate of nobody, for localhost: what tests, examples and benchmarks of TLS use. Its key is public: never trust it.

export const certificate = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgagnVbRcXPULSm1lj
bxSG/TaFn1nG4FPQBNLCu2m+TmqhRANCAARisUyuyXi6ZS8Y+ncHWZ1jF5ctgGAj
I8R6AxSmxBNOYpjkaD3ddBplfzJrhuylim2kppAq0JBRozuFPl2Dtbip
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUFz2+hKqQHZ4ccoXvlDN1htdUbfkwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjAxNDgxOFoYDzIxMjYxMDI5
MDE0ODE4WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARisUyuyXi6ZS8Y+ncHWZ1jF5ctgGAjI8R6AxSmxBNOYpjkaD3ddBpl
fzJrhuylim2kppAq0JBRozuFPl2Dtbipo28wbTAdBgNVHQ4EFgQU0G0b6OrcX+FQ
F34wdW9ExJ6k3uEwHwYDVR0jBBgwFoAU0G0b6OrcX+FQF34wdW9ExJ6k3uEwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgD5Tf8IVT389VbJfnMyIZX8nah0xXxPFUOV3xreyZ6o8CIQCz
6YfeowdqJo6ambL5GSB6jTIWihy9Fo+jkAs/EGamMg==
-----END CERTIFICATE-----`,
};
