"""The page: tracking a video, looking at its tracks and correcting them, in a browser.

A small server (Starlette, in the extra `app`) on this machine and one page without a framework.
Nothing is fetched from elsewhere and nothing is sent there.
"""
