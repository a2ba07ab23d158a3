"""What of an X-ray can be compared with a CT: its field, without markers, in the polarity of line integrals."""
