#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every configuration in conf.d-examples passes httpd -t with the module just built."""

import guard

guard.counted(guard.tree("conf.d-examples/*"))
guard.finish()
