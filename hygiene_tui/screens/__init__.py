"""The screens of the console. Each shows one look at one host; none of them changes anything."""
