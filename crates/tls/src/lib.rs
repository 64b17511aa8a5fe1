//! The certificate authority: two roots, their intermediates, leaves and the trust bundle.
