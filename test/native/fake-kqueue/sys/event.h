// Stands in for the system's <sys/event.h>, so that the kqueue poller compiles and runs on every machine that tests.
// Layout and numbers are those of macOS. With FAKE_KQUEUE_MINIMAL it is an older system: no EVFILT_USER, no EVFILT_EXCEPT.
#pragma once

#include <stdint.h>
#include <time.h>

struct kevent {
  uintptr_t ident;
  int16_t filter;
  uint16_t flags;
  uint32_t fflags;
  intptr_t data;
  void* udata;
};

#define EV_SET(event, ident_, filter_, flags_, fflags_, data_, udata_) \
  (*(event) = {(ident_), (filter_), (flags_), (fflags_), (data_), (udata_)})

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)
#ifndef FAKE_KQUEUE_MINIMAL
#define EVFILT_USER (-10)
#define EVFILT_EXCEPT (-15)
#endif

#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_ENABLE 0x0004
#define EV_DISABLE 0x0008
#define EV_ONESHOT 0x0010
#define EV_CLEAR 0x0020
#define EV_RECEIPT 0x0040
#define EV_DISPATCH 0x0080
#define EV_ERROR 0x4000
#define EV_EOF 0x8000

#define NOTE_OOB 0x00000002
#define NOTE_TRIGGER 0x01000000

extern "C" {
int kqueue(void);
int kevent(int kq, const struct kevent* changelist, int nchanges, struct kevent* eventlist, int nevents,
           const struct timespec* timeout);
}
