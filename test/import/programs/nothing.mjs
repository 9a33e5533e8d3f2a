// A module that does nothing: so that loading modules at all is not counted as what the library does.
